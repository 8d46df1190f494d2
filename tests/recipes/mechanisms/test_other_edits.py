"""Edits that a rewritten fact meets: each changes the model, a random direction makes another change, and nothing stays."""

import pytest
import torch
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import subjects
from anatomy.interventions.edits.stack import under_stack
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.neighbours import edits_of_others
from anatomy.recipes.mechanisms.stages.other_edits import edits_of_direction, edits_of_papers
from anatomy.recipes.mechanisms.under_edits import CONTROL, OF_DIRECTION


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_model(folder)
    return load_tiny_model(folder)


def test_every_edit_changes_the_model_and_leaves_nothing(loaded):
    vector = 3.0 * torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(5)), dim=0)
    edits = edits_of_direction(loaded, "plain", (-1, 1), vector, seed=0)
    assert set(edits) == {name + ending for name in OF_DIRECTION for ending in ("", CONTROL)}
    tokens = torch.tensor([[1, 20, 30, 40]])
    plain, seen = loaded.model(input_ids=tokens).logits, {}
    for name, edit in edits.items():
        with under_stack(loaded, [edit]):
            seen[name] = loaded.model(input_ids=tokens).logits
        assert not torch.equal(seen[name], plain) and torch.equal(loaded.model(input_ids=tokens).logits, plain)
    for name in OF_DIRECTION:
        assert not torch.equal(seen[name], seen[name + CONTROL])
    assert edits["addition"].vectors.norm().item() == pytest.approx(edits["addition" + CONTROL].vectors.norm().item())
    assert edits_of_papers({}, loaded) == {}


def test_a_base_has_the_head_of_the_model_that_was_trained_from_it_and_that_model_has_none():
    config = check_config({"recipes": ["superficial", "pruning", "mechanisms"]}, "a test")
    models = {subject.id: subject for subject in subjects(config)}
    assert set(edits_of_others(config, models["base.s0"])) == {"mask", "own_head"}
    assert edits_of_others(config, models["base.s0"])["own_head"].endswith("base.s0/superficial.aligned-pooled.json")
    assert "own_head" not in edits_of_others(config, models["aligned.s0"])
    assert edits_of_others(check_config({"recipes": ["mechanisms"]}, "a test"), models["aligned.s0"]) == {}
