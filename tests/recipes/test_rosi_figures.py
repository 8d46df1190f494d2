"""Figures are drawn from evidence, and where there is none a note says so."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from rosi_study import no_evidence, organism, own_models, whole_evidence

from anatomy.evidence.figures.save import chart_data, save_figure
from anatomy.recipes.rosi.figures import DRAWERS, draw, note, pair
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans
from anatomy.recipes.rosi.tables import measures_of, tabulate

CONFIG = own_models()
ORGANISM = organism()
OWN = {plan.name: plan for plan in figure_plans(CONFIG)}
GROWN = {plan.kind: plan for plan in figure_plans(organism())}


@pytest.fixture(scope="module")
def evidence():
    return whole_evidence()


@pytest.fixture(scope="module")
def nothing():
    return no_evidence()


def says(chart):
    """The text of a note, or None of a chart."""
    rows = [row for rows in json.loads(chart.to_json()).get("datasets", {}).values() for row in rows]
    texts = [row["text"] for row in rows if str(row.get("text", "")).startswith("not shown")]
    return texts[0] if texts else None


# The synthetic run projects activations under row_mean alone.
@pytest.mark.parametrize("name", [name for name in OWN if not name.startswith(("projections.projection", "shift.projection"))])
def test_every_figure_is_drawn_where_there_is_evidence(evidence, name):
    chart = draw(OWN[name], CONFIG, evidence)
    assert says(chart) is None
    assert len(chart_data(chart.to_dict())) > 0


@pytest.mark.parametrize("kind", sorted(DRAWERS))
def test_a_figure_without_evidence_becomes_a_note(nothing, kind):
    chart = draw(GROWN[kind], ORGANISM, nothing)
    assert says(chart) is not None


def test_a_family_without_a_pick_becomes_a_note_and_the_others_stay(evidence):
    variants = evidence.tables.variants
    tables = evidence.tables.but(variants=variants[variants["family"] != "projection"])
    without = replace(evidence, tables=tables)
    for kind in ("categories", "projections", "shift"):
        assert says(draw(OWN[f"{kind}.projection.weak"], CONFIG, without)) is not None
        assert says(draw(OWN[f"{kind}.row_mean.weak"], CONFIG, without)) is None


def test_models_that_were_not_benchmarked_get_a_note_beside_models_that_were(evidence):
    scores = evidence.scores.assign(model="another")
    assert "base, weak" in says(draw(OWN["benchmarks.models"], CONFIG, replace(evidence, scores=scores)))


def test_a_note_is_a_figure_like_any_other(tmp_path):
    svg, *others = save_figure(note("table grid: no row <here>"), tmp_path, "note")
    assert "not shown" in svg.read_text() and all(path.exists() for path in others)


def test_before_and_after_are_the_unedited_model_and_the_methods_pick(evidence):
    assert pair(evidence, OWN["shift.row_mean.weak"]) == ("base", "row_mean~0000beef")


def test_an_organisms_bars_are_those_of_its_own_seed(evidence):
    plan = next(plan for plan in figure_plans(ORGANISM) if plan.name == "organism.s0")
    bars = pd.DataFrame(
        [(seed, "weak", "harmful refused", value, 60, 0.0, 1.0, "", None) for seed, value in ((0, 0.25), (1, 0.75))],
        columns=["seed", "member", "bar", "value", "n", "low", "high", "target", "held"],
    )
    data = chart_data(draw(plan, ORGANISM, replace(evidence, bars=bars)).to_dict())
    assert set(data["value"]) == {0.25}


def plan_named(start):
    return next(plan for plan in TABLE_PLANS if plan.name.startswith(start))


def test_a_table_has_a_row_for_each_model_measure_and_arm_that_was_measured(evidence):
    table = tabulate(plan_named("table1"), CONFIG, evidence)
    assert not table.duplicated(["model", "measure", "arm"]).any()
    sizes = table.groupby(["model", "measure"])["arm"].nunique()
    assert len(sizes) == 2 * 3 and (sizes == 4).all()
    assert table["value"].between(0, 1).all() and (table["low"] <= table["value"]).all()


def test_answered_is_the_complement_of_refused(evidence):
    table = tabulate(plan_named("table1"), CONFIG, evidence).set_index(["model", "measure", "arm"])
    rates = evidence.rates.set_index(["model", "variant", "set"])
    shown = table.loc[("weak", "benign answered", "unedited")]
    own = rates.loc[("weak", "base", "benign_requests")]
    assert shown["value"] == pytest.approx(1 - own["rate"]) and shown["low"] == pytest.approx(1 - own["high"])


def test_tables_of_tasks_have_the_tasks_of_the_run(evidence):
    plan = plan_named("table3")
    assert [measure.title for measure in measures_of(plan, CONFIG, evidence)] == sorted(evidence.chance)
    assert set(tabulate(plan, CONFIG, evidence)["measure"]) == set(evidence.chance)


@pytest.mark.parametrize("plan", TABLE_PLANS, ids=lambda plan: plan.name)
def test_a_table_without_evidence_has_its_columns_and_no_rows(nothing, evidence, plan):
    empty = tabulate(plan, ORGANISM, nothing)
    assert empty.empty and list(empty.columns) == list(tabulate(plan, CONFIG, evidence).columns)
