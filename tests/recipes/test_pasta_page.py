"""PASTA's figures, tables and page."""

import json
from pathlib import Path

import pytest
from pasta_tables import pasta_config, pasta_evidence

from anatomy.errors import DataError
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.note import note
from anatomy.evidence.figures.save import chart_data
from anatomy.evidence.report.content import Answer
from anatomy.recipes.configuration import load_config
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.figures import draw
from anatomy.recipes.pasta.page import sections, texts
from anatomy.recipes.pasta.pairs import pairs
from anatomy.recipes.pasta.plans import TABLES, figure_plans
from anatomy.recipes.pasta.published import beside_ours, read_published
from anatomy.recipes.pasta.tables import tabulate
from anatomy.store.files import write_json, write_text

CONFIG = pasta_config()
PLANS = figure_plans(CONFIG)


@pytest.fixture(scope="module")
def evidence():
    return pasta_evidence()


def says(chart):
    return "not shown" in json.dumps(chart.to_dict())


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_figure_is_drawn_where_there_is_evidence_and_a_note_elsewhere(plan, evidence):
    chart = draw(plan, CONFIG, evidence)
    assert not says(chart) and len(chart_data(chart.to_dict()))
    assert says(draw(plan, CONFIG, Evidence(Tables())))
    assert plan.caption


def test_the_unedited_model_and_its_base_are_told_apart(evidence):
    data = chart_data(draw(next(plan for plan in PLANS if plan.name == "detection.aligned.s0"), CONFIG, evidence).to_dict())
    assert {"human", "base", "aligned", "aligned, signature ablated", "controls"} == set(data["writer"])
    means = data.groupby("writer")["estimate"].mean()
    assert means["aligned"] == pytest.approx(0.9) and means["base"] == pytest.approx(0.3)
    assert set(data.loc[data["writer"] == "aligned, signature ablated", "variant"]) == {"pasta@binoculars"}


def test_candidates_beyond_the_limits_are_told_apart_and_the_chosen_one_is_named(evidence):
    plan = next(plan for plan in PLANS if plan.name == "operating.aligned.s0")
    data = chart_data(draw(plan, CONFIG, evidence).to_dict())
    state = data.dropna(subset=["state"]).drop_duplicates("variant").set_index("variant")["state"]
    assert state["ablate-L1"] == "within the limits" and state["subtract-L3"] == "beyond them"
    assert set(data.loc[data["chosen"] == "chosen", "variant"]) == {"ablate-L1"}
    assert set(data["edit"].dropna()) == {"ablate: answer", "subtract: answer"}


def test_texts_stand_side_by_side_with_their_planted_markers(evidence):
    answers = texts(CONFIG, evidence)[0].exchanges[0].answers
    assert len(answers) == 6
    assert answers[0].pieces == [("Sure!", "opener"), (" It is <i>so</i>.", "")]


def test_overlapping_marks_lose_no_text():
    answer = Answer("abcdef", "", marks=((1, 3, "a"), (2, 4, "b"), (4, 9, "c")))
    assert "".join(text for text, _ in answer.pieces) == "abcdef"
    assert [kind for _, kind in answer.pieces] == ["", "a", "", "c"]


def test_every_figure_stands_on_the_page_once(evidence, tmp_path):
    for plan in PLANS:
        write_json(tmp_path / f"{plan.name}.vl.json", note("a stand-in").to_dict())
        write_text(tmp_path / f"{plan.name}.svg", '<svg width="100"></svg>')
    found = sections(CONFIG, evidence, tmp_path)
    titles = [item.title for section in found for item in section.items]
    assert all(titles.count(plan.title) == 1 for plan in PLANS)
    assert found[-1].id == "texts"


def test_tables_without_evidence_have_no_rows():
    assert all(tabulate(name, Evidence(Tables())).empty for name in TABLES)


def test_released_numbers_stand_beside_ours(tmp_path, evidence):
    path = tmp_path / "released.csv"
    path.write_text(
        "quantity,model,detector,category,value\nlayer,aligned.s0,imbd,,2\nscore,aligned.s0,imbd,,0.5\n"
        "flagged,aligned.s0,imbd,,0.1\nlayer,aligned.s0,closed,,7\nlayer,aligned.s0,imbd,news,2\n"
    )
    ours = beside_ours(read_published(path), evidence.tables)["ours"]
    assert list(ours[:3]) == pytest.approx([3, 0.6, 0.4]) and ours[3:].isna().all()


@pytest.mark.parametrize("row", ["depth,m,d,,1", "layer,m,d,,many", "layer,m,d,,1\nlayer,m,d,,2"])
def test_broken_released_numbers_are_named(tmp_path, row):
    path = tmp_path / "released.csv"
    path.write_text(f"quantity,model,detector,category,value\n{row}\n")
    with pytest.raises(DataError):
        read_published(path)


def test_the_papers_own_run_has_eleven_pairs_and_its_released_numbers():
    root = Path(__file__).resolve().parents[2]
    config = load_config(root / "config" / "paper" / "pasta.yaml")
    assert len(pairs(config)) == 11 and {pair.null for pair in pairs(config)} == {None}
    released = read_published(root / config.pasta.published)
    assert set(released["model"]) <= set(config.pasta.pairs)
    known = set(config.pasta.own_detectors) | {"pangram"}
    assert set(released["detector"]) == known
    layer = released[released["quantity"] == "layer"].set_index(["model", "detector", "category"])["value"]
    assert layer["llama-3.1-8b-instruct", "pangram", ""] == 2  # block 1 there, whose output is the input of block 2
    assert layer["llama-3.1-8b-instruct", "fast_detectgpt", ""] == 25
    assert config.pasta.test_prefixes == 125 and config.pasta.decoding.max_new_tokens == 400
