"""Each chart draws from tables alone, and shows the numbers of its tables."""

import pandas as pd
import pytest
from synthetic_tables import SETS, TASKS

from anatomy.evidence.figures import (
    benchmark_change,
    category_refusal,
    dose_response,
    headline,
    layer_shift,
    organism_bars,
    projection_histogram,
    realignment,
    selection_map,
    tradeoff,
)
from anatomy.evidence.figures.save import chart_data, save_figure

AFTER = "row_mean~0000beef"


@pytest.fixture
def charts(tables, rates, scores):
    categories = category_refusal.category_rates(
        tables.judgements,
        tables.completions,
        model="weak",
        prompts="harmful_requests",
        judge="rules",
        phase="test",
        before="base",
        after=AFTER,
        confidence=0.95,
    )
    shifts = layer_shift.shifts(tables.projections, "weak", "base", AFTER, confidence=0.95, seed=0, resamples=200)
    bars = pd.DataFrame(
        [
            (0, "aligned", "harmful refused", 0.9, 60, 0.8, 0.95, ">= 0.90", True),
            (0, "base", "harmful refused", 0.0, 60, 0.0, 0.06, "", None),
        ],
        columns=["seed", "member", "bar", "value", "n", "low", "high", "target", "held"],
    )
    sets = list(SETS)
    return {
        "selection_map": selection_map.draw(tables.grid, "weak", "plain"),
        "dose_response": dose_response.draw(tables.screen, "weak"),
        "tradeoff": tradeoff.draw(rates, scores, "weak", sets[0], sets[1]),
        "category_refusal": category_refusal.draw(categories, "base", AFTER, "row_mean"),
        "realignment": realignment.draw(rates, ["weak", "aligned"], ["row_mean"], sets[:2]),
        "projection_histogram": projection_histogram.draw(tables.projections, "weak", 3, "base", AFTER, "row_mean"),
        "layer_shift": layer_shift.draw(shifts),
        "headline": headline.draw(rates, ["weak", "aligned"], sets, ["row_mean"]),
        "benchmark_change": benchmark_change.draw(scores, ["weak"], ["row_mean"], dict.fromkeys(TASKS, 0.25)),
        "organism_bars": organism_bars.draw(bars, ["base", "aligned"]),
    }


def test_every_chart_is_saved_with_its_data(charts, tmp_path):
    for name, chart in charts.items():
        svg, pdf, csv, spec = save_figure(chart, tmp_path, name)
        assert svg.read_text().startswith("<svg") and pdf.read_bytes().startswith(b"%PDF"), name
        assert len(pd.read_csv(csv)) > 0 and spec.stat().st_size > 500, name


def test_a_selection_map_marks_one_pick_and_all_kept_cells(tables, charts):
    data = chart_data(charts["selection_map"].to_dict())
    own = tables.grid[tables.grid["model"] == "weak"]
    assert data["kept"].sum() == own["kept"].sum() and data["picked"].sum() == 1
    best = own[own["kept"]].sort_values("bypass").iloc[0]
    assert selection_map.picked_cell(own) == (best["position"], best["layer"])
    assert selection_map.picked_cell(own.assign(kept=False)) is None


def test_an_empty_grid_still_draws(tables):
    empty = tables.grid.assign(kept=False, reason="induce below 0")
    assert not chart_data(selection_map.draw(empty, "weak", "plain").to_dict())["picked"].any()


def test_curves_take_each_familys_own_best_layer(tables):
    screen = pd.concat([tables.screen, tables.screen.assign(layer=5, harmful_metric=-1.0, place=0)])
    curves = dose_response.curves(screen, "weak")
    assert set(curves["layer"]) == {3} and curves["is_control"].sum() == 6 * 4
    assert (curves.groupby("family")["strength"].count() == 4).all()


def test_category_rates_count_every_category_once(charts):
    data = chart_data(charts["category_refusal"].to_dict())
    assert len(data) == 8 and set(data["n"]) == {3}


def test_histograms_add_up_to_one(tables):
    shares = projection_histogram.histograms(tables.projections, "weak", 3, "base", AFTER)
    assert shares.groupby(["variant", "label"])["share"].sum().to_numpy() == pytest.approx([1.0] * 4)


def test_layer_shift_recovers_the_shift_set_by_hand(tables):
    shifts = layer_shift.shifts(tables.projections, "weak", "base", AFTER, confidence=0.95, seed=0, resamples=200)
    # the hand-made shift is .6 a layer; two draws of 60 unit normals give a standard error of .18
    assert ((shifts["shift"] - 0.6 * shifts["layer"]).abs() < 0.7).all()
    assert len(shifts) == 12
    assert ((shifts["low"] <= shifts["shift"]) & (shifts["shift"] <= shifts["high"])).all()


def test_headline_shows_controls_beside_their_own_method_only(charts):
    data = chart_data(charts["headline"].to_dict())
    shown = data[data["role"] == "control"]
    assert len(shown) == 2 * 2 * 6 and shown["variant"].str.startswith("row_mean~").all()


def test_tradeoff_needs_scores(rates, scores):
    none = tradeoff.points(rates, scores[scores["model"] == "nobody"], "weak", "harmful_requests", "benign_requests")
    assert none.empty
