"""Counted work against the tokens that the stages pass through a tiny model: the plan is as good as its counts."""

import pytest
from counted_tokens import counting
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts
from tiny_model import stands_open

from anatomy.costs.lengths import rendered_lengths
from anatomy.costs.prompts import PromptCounts, planned_prompts
from anatomy.costs.stage_work import NOTHING
from anatomy.recipes.rosi.stages import measure as measure_stage
from anatomy.recipes.rosi.stages import screen as screen_stage
from anatomy.recipes.rosi.work import stage_work as rosi_work
from anatomy.stages import localize as localize_stage
from anatomy.stages import own_answers as answers_stage
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.files import read_table

NAMES = ("harmful_requests", "benign_requests")
SHAPES = {
    "harmful_requests": ("harmful", "{}: explain how to mix grey salt with it for lamp oil"),
    "benign_requests": ("benign", "{}: please write a short note about it"),
}
"""Prompts that begin unlike each other, as those of real sets do."""
LAYERS = 4
CONTROLS = {"isotropic": 1, "covariance": 0, "shuffled": 2}
CASES = {
    "headline": (("plain",), True, {}),
    "no controls": (("plain",), False, {}),
    "two contrasts": (("plain", "system"), True, {}),
    "long divergence": (("plain",), False, {"selection": {"kl_tokens": 6}}),
    "few prompts": (("plain",), True, {"selection": {"prompts": 3}, "extraction": {"prompts": 5}}),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def study(request, tmp_path, tiny_folder):
    contrasts, headline, changes = request.param
    write_prompts(tmp_path, 8, **SHAPES)
    changes = {**changes, "extraction": {"controls": CONTROLS, **changes.get("extraction", {})}}
    changes["selection"] = {"refusal_tokens": [20, 30], "search": "exhaustive", **changes.get("selection", {})}
    config, subject = make_config(tmp_path, **changes), make_subject(contrasts, headline)
    texts = [text for name in NAMES for text in read_table(tmp_path / "prompts" / f"{name}.parquet")["prompt"]]
    rows = planned_prompts(config, subject, {}).rows
    counts = PromptCounts(rows, rendered_lengths(config, subject, texts, tiny_folder))
    return config, subject, counts


def counted(study, **options):
    config, subject, prompts = study
    return rosi_work(config, subject, prompts, num_layers=LAYERS, entries={}, **options)


def located(study, card, tiny, monkeypatch, tokens=None):
    config, subject, _ = study
    extracted = run_extraction(config, card, subject)
    stands_open(monkeypatch, tiny)
    with counting() as passed:
        _, tokens = answers_stage.own_answers(config, subject, card, None, str)
        _, selected = localize_stage.localize(config, subject, card, extracted, tokens, str)
        _, shortlist = screen_stage.screen(config, subject, tiny, ModelEdits(card, extracted), tokens, str)
    return extracted, (tokens, selected, shortlist), passed.through(LAYERS)


def planned(work):
    """Tokens of the stages that search."""
    return sum(work[stage].read + work[stage].written for stage in ("answers", "localize", "screen"))


def test_extraction_passes_what_is_counted(study, tiny_folder):
    config, subject, _ = study
    with counting() as passed:
        run_extraction(config, make_card(tiny_folder), subject)
    assert counted(study)["extract"].read == pytest.approx(passed.through(LAYERS), rel=0.15)


def test_the_search_and_the_screen_pass_what_is_counted(study, tiny_folder, tiny, monkeypatch):
    _, (_, selected, _), passed = located(study, make_card(tiny_folder), tiny, monkeypatch)
    assert selected["plain"]["outcome"] == "picked"
    assert planned(counted(study)) == pytest.approx(passed, rel=0.25)


def test_a_race_passes_no_more_than_is_counted(tmp_path, tiny_folder, tiny, monkeypatch):
    write_prompts(tmp_path, 8, **SHAPES)
    plans, passed = {}, {}
    for search in ("racing", "exhaustive"):
        selection = {"refusal_tokens": [20, 30], "search": search, "racing": {"first_prompts": 2}, "min_induce": -100.0}
        config, subject = (
            make_config(tmp_path, extraction={"controls": CONTROLS}, selection=selection),
            make_subject(("plain",), True),
        )
        texts = [text for name in NAMES for text in read_table(tmp_path / "prompts" / f"{name}.parquet")["prompt"]]
        counts = PromptCounts(planned_prompts(config, subject, {}).rows, rendered_lengths(config, subject, texts, tiny_folder))
        study = (config, subject, counts)
        _, _, passed[search] = located(study, make_card(tiny_folder), tiny, monkeypatch)
        plans[search] = planned(counted(study))
    assert passed["racing"] < plans["racing"] * 1.25  # where all candidates are nearly alike a race goes on for longest
    assert plans["racing"] < plans["exhaustive"] and passed["racing"] < passed["exhaustive"]


def test_interventions_pass_what_is_counted(study, tiny_folder, tiny, monkeypatch):
    config, subject, _ = study
    card = make_card(tiny_folder)
    extracted, (_, selected, shortlist), _ = located(study, card, tiny, monkeypatch)
    picks = {name: edits[0] if edits else None for name, edits in shortlist.items()}
    with counting() as passed:
        measured = measure_stage.measure(config, subject, card, extracted, selected, picks, lambda text: None)
    work, projected = (counted(study)[stage] for stage in ("measure", "project"))
    assert work.answers == len(measured["completions"])
    assert work.read + work.written + projected.read == pytest.approx(passed.through(LAYERS), rel=0.25)


def test_where_nothing_is_found_little_is_left(tmp_path, tiny_folder, tiny, monkeypatch):
    write_prompts(tmp_path, 8, **SHAPES)
    config, subject = make_config(tmp_path, extraction={"controls": CONTROLS}), make_subject(("plain",), True)
    texts = [text for name in NAMES for text in read_table(tmp_path / "prompts" / f"{name}.parquet")["prompt"]]
    study = (
        config,
        subject,
        PromptCounts(planned_prompts(config, subject, {}).rows, rendered_lengths(config, subject, texts, tiny_folder)),
    )
    _, (tokens, _, _), passed = located(study, make_card(tiny_folder), tiny, monkeypatch)
    assert tokens["outcome"] == "none found"
    nothing, everything = counted(study, outcome=NOTHING), counted(study)
    assert nothing["screen"].read == 0 == nothing["measure"].answers < nothing["project"].read
    assert planned(nothing) == pytest.approx(passed, rel=0.25)
    assert nothing["select"].answers == 2 * 8 and nothing["test"].answers < everything["test"].answers
