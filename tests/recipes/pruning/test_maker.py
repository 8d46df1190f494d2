"""The chosen mask and random ones of its size as edits."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.config.study import subjects
from anatomy.errors import StoreError
from anatomy.interventions.edits.making import Materials
from anatomy.interventions.pruning.masks import weights_in
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.interventions.pruning.scores import write_top
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.maker import prune, prune_at_random
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, MaskPlan, controls, mask_of
from anatomy.store.files import write_json

CONFIG = check_config({"recipes": ["pruning"], "pruning": {"control_draws": 2}}, "-")
PLAN = MaskPlan(CHOSEN, "generation", ("benign",), "matrix", 0.02, 0.1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model, scores of it that are drawn, and what a maker is given."""
    folder = tmp_path_factory.mktemp("maker")
    loaded = load_model(make_tiny_model(folder / "model", layers=2), torch.float32, "cpu")
    checkpoint = Checkpoint(loaded.folder)
    matrices, draw = scored_matrices(loaded, checkpoint), torch.Generator().manual_seed(0)
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in matrices.items()}
    tops = {}
    for key in ("prune.generation.matrix", "prune.benign.matrix", "preserve.benign.matrix", "opposite"):
        scores = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
        tops[key] = top_scores(scores.__getitem__, shapes, 0.2, "matrix")
    write_top(folder / "scores.safetensors", tops, {"model": loaded.digest, "answers": {"generation": 9}})
    write_json(folder / "chosen.json", {**vars(PLAN), "protected": list(PLAN.protected), "within": True, "keeps_refusal": True})
    subject = next(one for one in subjects(CONFIG) if one.member == "aligned")
    files = {"scores": [folder / "scores.safetensors"], "chosen": [folder / "chosen.json"]}
    asked = pd.DataFrame()
    given = Materials(lambda: loaded, checkpoint, CONFIG, subject, lambda *name: asked, files, torch.Generator(), print)
    return given, tops, matrices


def places(edit):
    return {name: indices for name, (indices, _) in edit.places.items()}


def test_a_random_mask_is_the_tests_own_draw_with_as_many_weights_and_is_a_control(model):
    given, tops, matrices = model
    several = {plan.name: mask for plan, mask in controls(CONFIG.pruning, tops, PLAN, matrices, given.subject.seed)}
    chosen = prune(given)
    assert chosen.card.intent == "amplify" and weights_in(places(chosen)) == weights_in(mask_of(PLAN, tops)) > 0
    for draw in (1, 2):
        edit = prune_at_random(given, draw)
        assert edit.card.intent == "control" and edit.card.spec["control"] == "random"
        own, expected = places(edit), several[f"random-{draw}"]
        assert all(torch.equal(own[name], expected[name]) for name in expected)
        assert {name: len(one) for name, one in own.items()} == {name: len(one) for name, one in places(chosen).items()}


def test_scores_of_another_model_make_no_mask(model, tmp_path):
    given, tops, _ = model
    write_top(tmp_path / "scores.safetensors", tops, {"model": "0" * 64, "answers": {}})
    with pytest.raises(StoreError, match="scores of model 000000000000"):
        prune(replace(given, files={**given.files, "scores": [tmp_path / "scores.safetensors"]}))


@pytest.mark.parametrize("lost", ["within", "keeps_refusal"])
def test_a_mask_that_is_not_shown_to_leave_refusals_is_one_to_measure(model, tmp_path, lost):
    given, _, _ = model
    said = {**vars(PLAN), "protected": list(PLAN.protected), "within": True, "keeps_refusal": True, lost: False}
    write_json(tmp_path / "chosen.json", said)
    edit = prune(replace(given, files={**given.files, "chosen": [tmp_path / "chosen.json"]}))
    assert edit.card.intent == "measure"
    given, told = replace(given, files={**given.files, "chosen": [tmp_path / "chosen.json"]}), []
    mine = replace(given, subject=replace(given.subject, id="mine", seed=None, member=None), say=told.append)
    assert prune(mine) is None and prune_at_random(mine, 1) is None, "weights of one's own model are not kept then"
    assert "no mask is kept" in told[0]
