"""Tokens of a model's own answers beside its base: in the template and without, by the word that a token is part of."""

import pandas as pd
import pytest
import torch
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import subjects
from anatomy.models.rendering import Rendering, render
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.stages.moved import kinds_of, moved_tokens


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A model, and a base of other weights."""
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_model(folder)
    loaded, base = load_tiny_model(folder), load_tiny_model(folder)
    generator = torch.Generator().manual_seed(0)
    for weights in base.model.parameters():
        weights.data += 0.05 * torch.randn(weights.shape, generator=generator).to(weights)
    return loaded, base


def test_both_models_read_the_same_answer_in_the_template_and_without_it(pair):
    loaded, base = pair
    config = check_config({}, "a test")
    subject = next(one for one in subjects(config) if one.id == "aligned.s0")
    rows = [(f"p{n}", f"g{n}", "select", config.extraction.harmless, prompt) for n, prompt in enumerate(("a b", "the gate is c"))]
    answers = pd.DataFrame(rows, columns=["id", "group", "phase", "set", "prompt"]).assign(response="the river is a gate")
    table = moved_tokens(config, subject, loaded, base, answers)
    said = loaded.tokenizer("the river is a gate", add_special_tokens=False)["input_ids"]
    assert len(table) == 2 * 2 * len(said) and set(table["wording"]) == {"template", "plain"}
    for wording, rendering in (("template", Rendering()), ("plain", Rendering(template=False))):
        (prompt,) = render(loaded.tokenizer, ["a b"], rendering)
        tokens = torch.tensor([[*prompt, *said]])
        one, other = (
            model.model(input_ids=tokens).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1) for model in (loaded, base)
        )
        expected = (one.exp() * (one - other)).sum(-1)
        found = table[(table["wording"] == wording) & (table["id"] == "p0")].sort_values("position")
        assert found["kl"].to_numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-5)
    sums = table[table["id"] == "p0"].groupby("wording")["kl"].sum()
    assert sums["template"] != pytest.approx(sums["plain"], rel=1e-3)


def test_a_token_is_of_the_kind_of_its_word():
    text = "Sorry, I can’t boil: flour 7 the."
    pieces = ["Sor", "ry", ",", " I", " can", "’", "t", " boi", "l", ":", " fl", "our", " 7", " t", "he", "."]
    offsets, start = [], 0
    for piece in pieces:
        offsets.append((start, start + len(piece)))
        start += len(piece)
    assert start == len(text)
    kinds = ["style"] * 2 + ["mark", "function"] + ["style"] * 3 + ["content"] * 2 + ["mark"] + ["content"] * 2 + ["mark"]
    assert kinds_of(text, offsets) == [*kinds, "function", "function", "mark"]
