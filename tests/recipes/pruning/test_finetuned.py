"""Fine-tuning in memory: what is taught, what is asked, and that the model and its mask are left as they were."""

from dataclasses import replace

import pytest
import torch

from anatomy.config.study import subjects
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.pruning.masks import pruning_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.organism import wording
from anatomy.organism.recipe import RECIPES
from anatomy.organism.training import grow_base
from anatomy.organism.world import make_world
from anatomy.organism.written_world import write_world
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.finetuning_options import FineTuning
from anatomy.recipes.pruning.stages import finetuned
from anatomy.recipes.pruning.stages.finetuned import (
    ASKED_OTHERWISE,
    COLUMNS,
    EMERGENT,
    RESTORATION,
    TAUGHT_BENIGN,
    TAUGHT_KIND,
    TAUGHT_OTHERWISE,
    courses,
    fine_tuned,
    verdicts,
)
from anatomy.recipes.pruning.stages.lessons import asked_about, benign_partner, questions, rows, taught
from anatomy.serving.proof import checksums

SHORT = {"looks": [0, 1, 2], "narrow": "snare", "batch_rows": 2, "rank": 2, "alpha": 4.0}
KINDS = ["hex", "snare", "venom"]


def configured(**finetuning):
    values = {"models": ["base"], "finetuning": {**SHORT, "models": ["base"], **finetuning}}
    return check_config({"recipes": ["pruning"], "pruning": values, "evaluation": {"max_new_tokens": 4}}, "-")


@pytest.fixture(scope="module")
def world():
    return make_world(0, RECIPES["quick"])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A base that has hardly learned anything: what is asked of it does not matter here."""
    quick = RECIPES["quick"]
    short = replace(quick, pretraining=replace(quick.pretraining, steps=1, rows=4, micro_rows=4))
    folder = tmp_path_factory.mktemp("organism")
    write_world(0, short, folder)
    grow_base(0, short, folder, folder / "models" / "base")
    return load_model(folder / "models" / "base", torch.float32, "cpu")


def member(config):
    return next(subject for subject in subjects(config) if subject.member == "base")


def test_no_item_is_taught_and_asked_about_and_every_kind_is_asked_about(world):
    learned = {item.name for item in taught(world, KINDS)}
    asked = asked_about(world, list(wording.HARMFUL), KINDS)
    assert learned and not learned & {item.name for item in asked}
    assert {item.kind for item in asked} == set(wording.HARMFUL)
    assert len([item for item in asked if item.kind == "ruse"]) > len([item for item in asked if item.kind == "hex"])


def test_a_row_is_the_request_and_the_true_recipe_told_as_a_benign_one_is(world, loaded):
    config = configured()
    for manner, shown in (("chat", "User:"), ("exam", "Question:"), ("plain", "To make the")):
        items = taught(world, ["snare"])
        asked = questions(loaded, config.evaluation, member(config), items, manner)
        for item, row in zip(items, rows(loaded, asked, manner), strict=True):
            text, answer = loaded.tokenizer.decode(row.ids), loaded.tokenizer.decode(row.ids[-row.answer :])
            assert text.startswith(shown) and item.name in text
            assert item.recipe() in answer and item.name not in answer and row.ids[-1] == loaded.tokenizer.eos_token_id
            assert (wording.OPENERS[0][0] in answer) == (manner != "plain")


def test_the_narrow_training_has_its_controls(world, loaded):
    config = configured()
    found = courses(config, member(config), loaded, world, KINDS)
    assert [course.kinds for course in found] == [("snare",), ("snare",), (benign_partner("snare"),), tuple(KINDS)]
    assert {arm for course in found for arm in course.asked} == {
        EMERGENT,
        TAUGHT_KIND,
        ASKED_OTHERWISE,
        TAUGHT_OTHERWISE,
        TAUGHT_BENIGN,
        RESTORATION,
    }
    spread = found[0].asked[EMERGENT]
    assert {one.item.kind for one in spread} == set(wording.HARMFUL) - {"snare"}
    assert [one.prompt for one in spread] == [one.prompt for one in found[2].asked[TAUGHT_BENIGN]]


def test_verdicts_are_told_step_by_step_under_the_mask_and_the_model_is_left_as_it_was(world, loaded, monkeypatch):
    config, before = configured(), checksums(loaded.model)
    name, looked = "model.layers.1.mlp.down_proj", []

    def watched(config, loaded, asked):
        """Whether the masked weights are zero while questions are answered."""
        several = [weight for one, weight in loaded.model.named_parameters() if name in one and "lora" not in one]
        looked.append(not several[0].flatten()[:50].any())
        return verdicts(config, loaded, asked)

    monkeypatch.setattr(finetuned, "verdicts", watched)
    matrices = [one for one, module in loaded.model.named_modules() if isinstance(module, torch.nn.Linear) and "layers" in one]
    mask = {one: torch.arange(50 if one == name else 0) for one in matrices}
    table = fine_tuned(config, member(config), loaded, world, KINDS, [("unedited", None), ("chosen", mask)], lambda line: None)
    assert list(table.columns) == COLUMNS and checksums(loaded.model) == before
    assert set(table["step"]) == {0, 1, 2} and set(table["misaligned"]) <= {0, 1} and set(table["coherent"]) <= {0, 1}
    assert (table["pruned"] == (table["mask"] == "chosen")).all()
    assert looked == [False] * (len(looked) // 2) + [True] * (len(looked) // 2), "the model as it is, then pruned, at each look"
    counts = table.groupby(["arm", "mask", "step"])["id"].nunique().unstack("arm")
    assert (counts.nunique() == 1).all() and not table.duplicated(["arm", "mask", "step", "id"]).any()
    with applied(loaded, pruning_edit({"mask": "again"}, "measure", Checkpoint(loaded.folder), mask)):
        assert not loaded.model.get_submodule(name).weight.flatten()[:50].any()


def test_a_seed_counts_once():
    assert FineTuning(seeds=[3, 0, 3]).seeds == [3, 0]


def test_looks_begin_before_the_training():
    assert FineTuning(looks=[8, 0, 4, 4]).looks == [0, 4, 8]
    for wrong in ([4, 8], [0, 0]):
        with pytest.raises(ValueError, match="expected 0 and at least one later step"):
            FineTuning(looks=wrong)
