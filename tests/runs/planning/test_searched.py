"""What finished searches say of the work that is left."""

import pytest
from small_study import make_config, make_subject

from anatomy.config.study import Layout
from anatomy.costs.stage_work import FOUND, NOTHING, Outcome
from anatomy.runs.planning.jobs import Work, searched
from anatomy.store.files import write_json

EDIT = {"method": "row_mean"}


def finish(config, direction, edits):
    at = Layout(config.results)
    write_json(at_path(at, "selected"), {"plain": {"outcome": "picked" if direction else "empty grid"}})
    write_json(at_path(at, "shortlist"), {"row_mean": [EDIT] if edits else [], "projection": []})


def at_path(at, name):
    from pathlib import Path

    path = Path(at.stage({"selected": "localize", "shortlist": "screen"}[name], "mine", f"{name}.json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("outcome", [FOUND, NOTHING, Outcome(False, True), Outcome(True, False)])
def test_what_was_found_is_read_from_the_search(tmp_path, outcome):
    config = make_config(tmp_path)
    assert searched(config, make_subject()) is None
    finish(config, outcome.direction, outcome.edits)
    assert searched(config, make_subject()) == outcome


def test_files_that_are_not_sound_say_nothing(tmp_path):
    config = make_config(tmp_path)
    for wrong in ([], {"plain": {}}, {"other": {"outcome": "picked"}}, {"plain": "picked"}):
        finish(config, True, True)
        write_json(at_path(Layout(config.results), "selected"), wrong)
        assert searched(config, make_subject()) is None
    at_path(Layout(config.results), "selected").write_text("{")
    assert searched(config, make_subject()) is None


def test_a_search_that_found_nothing_leaves_the_base_alone(tmp_path):
    config = make_config(tmp_path)
    (model,) = [name for name in Work(config, {}).subjects]
    subject = Work(config, {}).subjects[model]
    spent = {}
    for outcome in (FOUND, Outcome(False, True), NOTHING):
        (job,) = Work(config, {}).of("evaluate", {"model": model, "phase": "test", "bucket": "0"}, outcome)
        measured, _ = Work(config, {}).of("measure", {"model": model}, outcome)
        spent[outcome] = job.answers, measured.answers
    assert spent[FOUND][0] == spent[Outcome(False, True)][0] > spent[NOTHING][0] > 0
    assert spent[FOUND][1] > 0 == spent[Outcome(False, True)][1] == spent[NOTHING][1]
    assert subject.is_organism
