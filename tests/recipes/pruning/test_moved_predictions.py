"""How far masks move predictions on benign requests, and how likely texts are: against a computation one prompt at a time."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from anatomy.config.options import options, restore
from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.evidence.claims.tables import Tables
from anatomy.models.rendering import render
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.perplexities import perplexity_table
from anatomy.recipes.pruning.stages import read_texts
from anatomy.recipes.pruning.stages.evaluating import under_masks
from anatomy.recipes.pruning.stages.moved_predictions import MOVED, unmoved
from anatomy.recipes.pruning.stages.read_texts import KNOWN, NATS, OWN, fixed_texts
from anatomy.recipes.pruning.unread import UNREAD
from anatomy.store.files import write_table

MODEL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
MEMBER = Subject("aligned.s0", "aligned", 0, "aligned", ("plain",), False, "float32")
MATRIX = "model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def config():
    return check_config(
        {"recipes": ["pruning"], "divergence": {"prompts": 3, "tokens": 4}, "evaluation": {"max_new_tokens": 3}}, "-"
    )


def asked(plain):
    things = ("mill", "gate", "honey", "salt")
    rows = [
        {"id": f"{ability}/{n}", "ability": ability, "category": "x", "group": f"g{n}", "split": "select"}
        | {"prompt": f"The {thing} of the {ability}", "response": thing, "plain": plain, "harmful": ability == "refusal"}
        for ability in ("benign", "refusal")
        for n, thing in enumerate(things)
    ]
    return pd.DataFrame(rows)


def masked(tiny, share):
    """The weights of one matrix that come first, as a mask has them: positions in the flattened matrix."""
    weight = tiny.model.get_submodule(MATRIX).weight
    return {MATRIX: torch.arange(round(share * weight.numel()))}


def naive(tiny, harmless, mask):
    """KL of one request, prediction by prediction, with its weights set to zero by hand."""
    weight = tiny.model.get_submodule(MATRIX).weight
    found = []
    for ids, count in zip(harmless.runs, harmless.counts, strict=True):
        with torch.inference_mode():
            before = tiny.model(torch.tensor([ids])).logits[0, -count:].double().log_softmax(-1)
            kept = weight.clone()
            weight.view(-1)[mask[MATRIX]] = 0
            after = tiny.model(torch.tensor([ids])).logits[0, -count:].double().log_softmax(-1)
            weight.copy_(kept)
        found.append((before.exp() * (before - after)).sum(-1))
    return found


@pytest.mark.parametrize("plain", [True, False])
def test_a_mask_moves_what_it_moves_by_hand_and_the_model_is_as_before(tiny, config, plain):
    prompts = asked(plain)
    harmless = unmoved(config, MODEL, tiny, prompts, "select")
    assert list(harmless.rows["id"]) == ["benign/0", "benign/1", "benign/2"]
    assert harmless.forcing.rendering.template != plain
    mask = masked(tiny, 0.3)
    expected = naive(tiny, harmless, mask)
    found = under_masks(
        config, MODEL, tiny, prompts, [("some", mask), ("none", {MATRIX: mask[MATRIX][:0]})], ["x"], print, harmless=harmless
    ).divergences
    assert list(found) == MOVED and set(found["mask"]) == {"some"} and (found["kl"] > 0).all()
    assert found["first_token_kl"].tolist() == pytest.approx([one[0].item() for one in expected], rel=1e-3, abs=1e-6)
    assert found["kl"].tolist() == pytest.approx([one.mean().item() for one in expected], rel=1e-3, abs=1e-6)
    assert harmless.beside(tiny).divergences["kl"].tolist() == pytest.approx([0.0] * 3, abs=1e-9)


def test_the_runs_are_the_unedited_models_own_answers(tiny, config):
    harmless = unmoved(config, MODEL, tiny, asked(True), "select")
    prompts = render(tiny.tokenizer, list(asked(True)["prompt"][:3]), harmless.forcing.rendering)
    for ids, run, count in zip(prompts, harmless.runs, harmless.counts, strict=True):
        assert run[: len(ids)] == ids and 1 <= count <= config.divergence.tokens
        said = tiny.model(torch.tensor([run])).logits[0, -count:].argmax(-1).tolist()
        assert run[len(ids) :] == said[:-1]


def test_without_benign_requests_nothing_is_read(tiny, config):
    assert unmoved(config, MODEL, tiny, asked(True).query("ability != 'benign'"), "test") is None


def by_hand(tiny, ids, count):
    """Mean negative log-likelihood of the last tokens of a text, one token at a time."""
    with torch.inference_mode():
        logs = tiny.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return -sum(logs[place - 1, ids[place]].item() for place in range(len(ids) - count, len(ids))) / count


def test_texts_are_as_likely_as_by_hand_under_the_model_and_under_a_mask(tiny, config):
    prompts = asked(True)
    harmless = unmoved(config, MEMBER, tiny, prompts, "select")
    weight, mask = tiny.model.get_submodule(MATRIX).weight, masked(tiny, 0.3)
    found = under_masks(config, MEMBER, tiny, prompts, [("some", mask)], ["x"], print, harmless=harmless).nats
    assert list(found) == NATS and set(found["mask"]) == {"unedited", "some"} and set(found["text"]) == {OWN, KNOWN}
    answers = [([*run[: len(run) - count + 1], *answer], count) for run, count, answer in texts_of(harmless)]
    known = [([*one.prompt, *one.answer], len(one.answer)) for one in harmless.texts.forced]
    for name in ("unedited", "some"):
        kept = weight.clone()
        with torch.inference_mode():
            weight.view(-1)[mask[MATRIX] if name == "some" else mask[MATRIX][:0]] = 0
        for kind, texts in ((OWN, answers), (KNOWN, known)):
            own = found[(found["mask"] == name) & (found["text"] == kind)]
            assert own["nats"].tolist() == pytest.approx([by_hand(tiny, *one) for one in texts], rel=1e-4)
            assert own["n_tokens"].tolist() == [count for _, count in texts]
        with torch.inference_mode():
            weight.copy_(kept)


def texts_of(harmless):
    return zip(harmless.runs, harmless.counts, harmless.answers, strict=True)


def test_a_text_of_ones_own_is_read_after_its_prompt_or_from_its_first_token(tiny, config, tmp_path):
    own = config.model_copy(update={"results": str(tmp_path), "pruning": config.pruning.model_copy(update={"text": "essays"})})
    table = pd.DataFrame({"id": ["a", "b", "c"], "group": ["a", "b", "c"], "prompt": ["The mill of honey", "The gate", "Salt"]})
    table = table.assign(response=["is old", None, None], split=["test", "test", "fit"])
    write_table(Path(Layout(own.results).prompts(MODEL, "essays")), table)
    found = fixed_texts(own, MODEL, tiny, asked(True), "test")
    assert list(found.rows["id"]) == ["a", "b"] and set(found.rows["text"]) == {"essays"}
    first, second = found.forced
    assert tiny.tokenizer.decode(first.answer) == " is old" and len(second.prompt) == 1
    whole = render(tiny.tokenizer, ["The gate"], unmoved(config, MODEL, tiny, asked(True), "test").forcing.rendering)[0]
    assert [*second.prompt, *second.answer] == whole
    sections = ("pruning", "evaluation", "serving", "results", "extraction", "divergence")
    of_grid = restore(options(own, *sections, without={"pruning": UNREAD["grid"]}), type(own))
    assert not fixed_texts(of_grid, MODEL, tiny, asked(True), "select").forced, "masks are chosen without them"


def nats_of(several):
    """Texts of two groups: mask to nats a token of one with 1 token and of one with 3."""
    return pd.DataFrame(
        [
            {"model": "m", "mask": mask, "text": OWN, "id": str(k), "group": str(k), "nats": nats, "n_tokens": 1 + 2 * k}
            for mask, both in several.items()
            for k, nats in enumerate(both)
        ]
    )


def test_a_perplexity_is_the_exponential_of_the_mean_over_tokens_and_stands_beside_the_unedited_models(config):
    nats = nats_of({"unedited": (1.0, 2.0), "random-1": (1.0, 2.0), "chosen": (2.0, 3.0), "broken": (1.0, math.inf)})
    names = ["random-1", "chosen", "broken"]
    masks = pd.DataFrame(
        {"model": "m", "mask": names, "control": ["random", "", ""], "q": 0.1, "p": 0.0, "protected": "", "weights": 9}
    )
    table = perplexity_table(config, Tables(mask_nats=nats, masks=masks)).set_index("mask")
    assert list(table.index) == ["unedited", "random-1", "chosen"], "a mask that overflows has no row"
    assert table["perplexity"].tolist() == pytest.approx([math.exp(7 / 4), math.exp(7 / 4), math.exp(11 / 4)])
    assert table["times"].tolist() == pytest.approx([1.0, 1.0, math.e])
    assert table.loc["chosen", ["times_low", "times_high"]].tolist() == pytest.approx([math.e, math.e]), "every text by as much"
    assert (table.loc["chosen", "low"], table.loc["chosen", "high"]) == pytest.approx((math.exp(2), math.exp(3)))
    assert table.loc["chosen", ["tokens", "texts", "clusters"]].tolist() == [4, 2, 2]
    assert table.loc["random-1", "control"] == "random" and set(table["split"]) == {"test"}
    assert perplexity_table(config, Tables()).empty


def test_long_texts_are_read_some_tokens_at_a_time_to_the_same_numbers(tiny, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(count, 50, generator=generator) for count in (1, 7, 12)]
    texts = [torch.randint(50, (len(one),), generator=generator).tolist() for one in logits]
    whole, pairs = read_texts.mean_nats(logits, texts), zip(logits, texts, strict=True)
    expected = [torch.nn.functional.cross_entropy(one.double(), torch.tensor(ids)).item() for one, ids in pairs]
    monkeypatch.setattr(read_texts, "AT_ONCE", 5)
    assert whole == pytest.approx(expected) and read_texts.mean_nats(logits, texts) == pytest.approx(expected)


def test_a_set_of_texts_without_test_rows_is_refused(tiny, config, tmp_path):
    own = config.model_copy(update={"results": str(tmp_path), "pruning": config.pruning.model_copy(update={"text": "essays"})})
    table = pd.DataFrame({"id": ["a"], "group": ["a"], "prompt": ["Salt is old"], "response": [None], "split": ["fit"]})
    write_table(Path(Layout(own.results).prompts(MODEL, "essays")), table)
    with pytest.raises(DataError, match="no text of the split test"):
        fixed_texts(own, MODEL, tiny, asked(True), "test")
