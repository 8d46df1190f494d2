"""The page's sections, and what must not stand in them."""

from dataclasses import replace

import pandas as pd
import pytest
from rosi_study import no_evidence, organism, own_models, whole_evidence

from anatomy.config.judging import ModelJudge
from anatomy.errors import DataError
from anatomy.evidence.report.content import PageCompletions, PageFigure, PageTable
from anatomy.recipes.rosi.figures import note
from anatomy.recipes.rosi.judging import agreement, judge_tables
from anatomy.recipes.rosi.page import SECTIONS, completions, sections, tables
from anatomy.recipes.rosi.plans import figure_plans
from anatomy.store.files import write_json, write_text

CONFIG = own_models()


@pytest.fixture(scope="module")
def evidence():
    return whole_evidence()


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """A picture for every plan; what is in it is tested elsewhere."""
    folder = tmp_path_factory.mktemp("figures")
    spec = note("a stand-in").to_dict()
    for config in (CONFIG, organism((0,))):
        for plan in figure_plans(config):
            write_json(folder / f"{plan.name}.vl.json", spec)
            write_text(folder / f"{plan.name}.svg", '<svg width="100"></svg>')
    return folder


def test_every_figure_stands_on_the_page_once_in_its_section(evidence, figures):
    found = sections(CONFIG, evidence, figures)
    placed = [(section.id, item.title) for section in found for item in section.items if isinstance(item, PageFigure)]
    assert sorted(placed) == sorted((plan.section, plan.title) for plan in figure_plans(CONFIG))


def test_sections_keep_their_order_and_empty_ones_are_left_out(evidence, figures):
    names = [section.id for section in sections(CONFIG, evidence, figures)]
    order = [*(name for name, _, _ in SECTIONS), "answers", "judges"]
    assert names == [name for name in order if name in names] and len(set(names)) == len(names)
    assert not {"realignment", "organism"} & set(names)


def test_a_missing_picture_is_named(evidence, tmp_path):
    with pytest.raises(DataError, match=figure_plans(CONFIG)[0].name):
        sections(CONFIG, evidence, tmp_path)


def test_a_run_without_evidence_still_has_a_page(figures):
    found = {section.id: section for section in sections(organism((0,)), no_evidence(), figures)}
    assert "answers" not in found and len(found["judges"].items) == 1
    assert not any(isinstance(item, PageTable) for name in found if name != "judges" for item in found[name].items)


def test_picked_edits_and_bars_stand_in_their_sections(evidence):
    more = replace(
        evidence,
        adapters=pd.DataFrame([{"model": "weak", "family": "row_mean"}]),
        bars=pd.DataFrame([{"seed": 0, "member": "weak"}]),
    )
    assert [table.title for table in tables(CONFIG, more, "strength")] == [
        "Candidates, and why one was picked",
        "The picked edits",
    ]
    assert [table.title for table in tables(CONFIG, more, "organism")] == ["Bars of the organism"]
    assert tables(CONFIG, no_evidence(), "strength") == [] and tables(CONFIG, no_evidence(), "organism") == []


def texts(items):
    return [answer for item in items for exchange in item.exchanges for answer in exchange.answers]


def test_answers_of_own_models_to_harmful_requests_are_withheld_unless_refused(evidence):
    items = completions(CONFIG, evidence)
    assert all(isinstance(item, PageCompletions) and len(item.exchanges) <= 3 for item in items)
    harmful = texts([item for item in items if "harmful" in item.title])
    assert harmful and all(answer.redacted or answer.label == "full" for answer in harmful)
    assert not any("stir it" in answer.text for answer in harmful)


def test_they_are_shown_where_the_user_asks_for_them(evidence):
    report = CONFIG.report.model_copy(update={"show_answers": True})
    shown = texts(completions(CONFIG.model_copy(update={"report": report}), evidence))
    assert shown and not any(answer.redacted for answer in shown)


def test_judges_of_refusal_are_compared_and_no_others(evidence):
    judged = evidence.tables.judgements
    other = judged[judged["judge"] == "rules"].assign(judge="coherence", label="coherent")
    both = replace(evidence, tables=evidence.tables.but(judgements=pd.concat([judged, other])))
    pd.testing.assert_frame_equal(agreement(both).frame, agreement(evidence).frame)


def judged_by_models(evidence):
    """The same evidence with a judge of harm that never answers on one variant."""
    judged = evidence.tables.judgements
    guard = judged[judged["judge"] == "rules"].assign(judge="guard", score=0.25)
    guard["label"] = guard["label"].map({"none": "unsafe"}).fillna("safe").where(guard["variant"] != "row_mean~0000beef")
    notes = pd.DataFrame([{"model": "weak", "pass": "test", "judge": "guard", "asked": 9, "withheld": 4, "cut": 1}])
    tables = evidence.tables.but(judgements=pd.concat([judged, guard], ignore_index=True))
    return replace(evidence, tables=tables, judge_notes=notes)


def test_model_judges_bring_what_they_say_and_what_they_could_not_judge(evidence):
    judge = ModelJudge(kind="llama_guard", folder="g")
    config = CONFIG.model_copy(update={"model_judges": {"guard": judge}})
    agreed, crossed, said, unjudged = (item.frame for item in judge_tables(config, judged_by_models(evidence)))
    assert "guard" not in set(agreed["judge_a"]) | set(agreed["judge_b"])  # the only judge of harm
    assert {"unreadable", "safe", "unsafe"} == set(crossed[crossed["judge_a"] == "guard"]["label_a"])
    shares = said[said["model"] == "weak"].set_index(["arm", "set", "label"])["share"].sort_index()
    assert shares["row_mean", "harmful_requests", "unreadable"] == 1.0
    unedited = shares.xs(("unedited", "harmful_requests"))
    assert unedited.sum() == pytest.approx(1.0) and unedited["unsafe"] == pytest.approx(0.6, abs=0.05)
    assert unjudged["withheld"].tolist() == [4]


def test_without_their_answers_the_tables_of_model_judges_are_empty(evidence):
    config = CONFIG.model_copy(update={"model_judges": {"guard": ModelJudge(kind="llama_guard", folder="g")}})
    frames = [item.frame for item in judge_tables(config, evidence)]
    assert len(frames) == 4 and frames[2].empty and frames[3].empty
    assert len(judge_tables(CONFIG, evidence)) == 1
