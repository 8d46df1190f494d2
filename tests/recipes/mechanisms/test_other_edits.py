"""Edits that a rewritten fact meets: each changes the model, a random direction makes another change, and nothing stays."""

import json

import pytest
import torch
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import subjects
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.saved import save_edit, spec_of
from anatomy.interventions.edits.stack import under_stack
from anatomy.interventions.pruning.masks import pruning_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.neighbours import edits_of_others
from anatomy.recipes.mechanisms.stages.other_edits import edits_of_direction, edits_of_papers
from anatomy.recipes.mechanisms.under_edits import CONTROL, OF_DIRECTION
from anatomy.stages.model_directions import ModelDirections


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
    assert edits_of_papers({}, loaded, ModelDirections(loaded.folder), seed=0) == {}


class Known(ModelDirections):
    """Directions of which one is known, by its reference."""

    def unit(self, reference):
        named, unit = self.vector
        assert reference == named
        return unit


def test_rosi_and_a_mask_are_met_as_the_run_made_them_and_at_random(loaded, tmp_path):
    """The strength, sites and direction of the pick; as many random weights of each matrix as the mask has."""
    unit = torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(6)), dim=0)
    named = {"contrast": "plain", "position": -1, "layer": 1, "control": None}
    pick = {"method": "row_mean", "strength": 5.0, "sign": 1, "sites": ["down_proj"], "direction": named}
    checkpoint, places = Checkpoint(loaded.folder), {"model.layers.0.mlp.down_proj": torch.tensor([0, 3, 7])}
    mask = pruning_edit({"method": "harm pruning"}, "amplify", checkpoint, places)
    save_edit(mask, tmp_path / "mask", checkpoint)
    (tmp_path / "rosi.json").write_text(json.dumps({"row_mean": pick, "projection": None}))
    (tmp_path / "mask.json").write_text(json.dumps({"mask": spec_of(mask, tmp_path / "mask")}))
    known = Known(tmp_path)
    known.vector = (named, unit)
    files = {name: str(tmp_path / f"{name}.json") for name in ("rosi", "mask")}
    found = edits_of_papers(files, loaded, known, seed=0)
    assert set(found) == {"ROSI", "ROSI" + CONTROL, "mask", "mask" + CONTROL}, "a search without a pick has no edit"
    assert found["ROSI"].digest() == build_edit(pick, checkpoint, unit).digest() != found["ROSI" + CONTROL].digest()
    one, two = found["ROSI"].delta("model.layers.1.mlp.down_proj"), found["ROSI" + CONTROL].delta("model.layers.1.mlp.down_proj")
    assert one.norm().item() == pytest.approx(two.norm().item(), rel=1e-5)
    drawn = found["mask" + CONTROL]
    assert found["mask"].digest() == mask.digest() != drawn.digest() and drawn.card.intent == "control"
    assert {name: len(indices) for name, (indices, _) in drawn.places.items()} == {name: 3 for name in places}


def test_a_base_has_the_head_of_the_model_that_was_trained_from_it_and_that_model_has_none():
    config = check_config({"recipes": ["rosi", "superficial", "pruning", "mechanisms"]}, "a test")
    models = {subject.id: subject for subject in subjects(config)}
    assert set(edits_of_others(config, models["base.s0"])) == {"rosi", "mask", "own_head"}
    assert edits_of_others(config, models["base.s0"])["own_head"].endswith("base.s0/superficial.aligned-pooled.json")
    assert set(edits_of_others(config, models["aligned.s0"])) == {"rosi", "mask"}
    assert edits_of_others(check_config({"recipes": ["mechanisms"]}, "a test"), models["aligned.s0"]) == {}
