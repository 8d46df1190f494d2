"""A study that has not got far, or that another version made, and what is asked of it in odd ways."""

import pytest

import anatomy
from anatomy.errors import ConfigError, DataError, EditError
from anatomy.notebook.asked_edits import spelled_out
from anatomy.recipes.configuration import Config
from anatomy.store.files import write_json

EDIT = {
    "method": "projection",
    "strength": 1.0,
    "sign": 1,
    "direction": {"contrast": "plain", "position": -1, "layer": 2, "control": None},
}


@pytest.fixture
def folder(tmp_path):
    """What a run leaves that ended after the choice of edits, without the model itself."""
    results = tmp_path / "results"
    (results / "provenance" / "jobs").mkdir(parents=True)
    write_json(results / "provenance" / "configuration.json", Config().model_dump(mode="json"))
    (results / "models").mkdir()
    write_json(results / "models" / "weak.s0.json", {})
    (results / "edit" / "weak.s0").mkdir(parents=True)
    picked = {"projection": EDIT, "row_mean": None, "projection~isotropic-0": EDIT}
    write_json(results / "edit" / "weak.s0" / "selected.json", picked)
    made = results / "edit" / "weak.s0" / "pruning.mask"
    made.mkdir()
    write_json(made / "made.json", {})
    spec = {"method": "saved", "folder": "results/edit/weak.s0/pruning.mask", "digest": "0", "intent": "amplify"}
    write_json(made.with_name("pruning.mask.json"), {"pruning.mask": spec})
    write_json(made.with_name("adapters.json"), {})
    return results


@pytest.fixture
def model(folder):
    return anatomy.open_study(folder).model("weak.s0")


def test_an_unknown_edit_is_answered_with_the_methods_and_without_their_controls(model):
    assert repr(model) == "StudyModel('weak.s0', edits: projection, pruning.mask, and 1 of controls)"
    with pytest.raises(EditError, match="one of projection") as refused:
        model.stack("steering")
    assert "~" not in refused.value.expected


def test_what_a_paper_made_is_an_edit_wherever_the_results_lie(model, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "results")
    assert list(model.edits) == ["projection", "projection~isotropic-0", "pruning.mask"]
    (mask,) = model.stack("pruning.mask")
    assert mask["folder"] == str((folder / "edit" / "weak.s0" / "pruning.mask").resolve())


@pytest.mark.parametrize("edit", [3, 0.5, ["projection"], [EDIT, None]])
def test_what_is_no_edit_is_refused_in_words(edit):
    with pytest.raises(EditError, match="spelled out"):
        spelled_out(edit)


def test_a_direction_that_was_not_searched_yet_says_so(model, folder):
    with pytest.raises(DataError, match="has not got that far"):
        model.direction()
    (folder / "localize" / "weak.s0").mkdir(parents=True)
    write_json(folder / "localize" / "weak.s0" / "selected.json", {})
    with pytest.raises(DataError, match="its contrasts are plain, system"):
        model.direction("jailbreak")


@pytest.mark.parametrize("tokens", [0, -1])
def test_no_token_is_not_the_runs_own_number_of_tokens(model, tokens):
    with pytest.raises(ConfigError, match="at least 1"):
        model.divergence("Good day", None, tokens=tokens)


def test_results_of_another_version_are_read_and_their_models_are_not_asked(folder):
    path = folder / "provenance" / "configuration.json"
    write_json(path, Config().model_dump(mode="json") | {"of_old": 1})
    (folder / "tables").mkdir()
    (folder / "tables" / "one.csv").write_text("a\n1\n")
    study = anatomy.open_study(folder)
    assert list(study.table("one")["a"]) == [1] and study.models == ["weak.s0"]
    with pytest.raises(ConfigError, match="made by another version") as refused:
        study.model("weak.s0")
    assert "of_old" in refused.value.found
