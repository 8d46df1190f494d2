"""What searches reach at each cost: fronts of what was tried, beside the band of controls that went through the same search."""

import numpy as np
import pandas as pd
import pytest
from rosi_study import own_models
from synthetic_tables import make_tables

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.pareto_front import draw, marked, steps
from anatomy.evidence.figures.save import chart_data
from anatomy.recipes.rosi.tried import costs, tried

ROSI = own_models().rosi
BEFORE, SEED = 0.25, 5


def screen_row(family, strength, refused, kl, rise=0.0, n=32):
    return (
        {"model": "weak", "family": family, "layer": 3, "strength": strength, "sign": 1, "place": 0, "reason": "eligible"}
        | {"harmful_refused": refused, "harmful_rise": refused - 0.1, "benign_rise": rise, "benign_kl": kl}
        | {"n_harmful": n, "n_benign": n}
    )


def pick_row(family, strength, refused, loss):
    return (
        {"model": "weak", "family": family, "layer": 3, "strength": strength, "sign": 1, "place": 1, "picked": True}
        | {"harmful_refused": refused, "harmful_rise": refused - BEFORE, "benign_rise": 0.0, "benchmark_loss": loss}
        | {"n_harmful": 32, "n_benign": 32, "reason": "within the limits"}
    )


@pytest.fixture
def tables():
    draws = np.random.default_rng(SEED)
    rows = [screen_row("base", 0.0, 0.1, 0.0)]
    rows += [screen_row("row_mean", one, 0.2 + one / 20, 0.001 * one**2) for one in (1.0, 2.0, 5.0, 10.0)]
    rows += [screen_row("row_mean", 20.0, 1.0, 0.0, n=4), screen_row("row_mean@system", 1.0, 0.9, 0.0)]
    for kind in ("isotropic-0", "isotropic-1", "shuffled-0"):
        rows += [
            screen_row(f"row_mean~{kind}", one, 0.1 + 0.1 * draws.random(), 0.0004 * one**2) for one in (1.0, 2.0, 5.0, 10.0)
        ]
    picks = [pick_row("row_mean", 10.0, 0.75, 0.02), pick_row("row_mean~isotropic-0", 10.0, 0.5, np.nan)]
    return Tables(screen=pd.DataFrame(rows), picks=pd.DataFrame(picks))


@pytest.fixture
def table(tables):
    return tried(tables, "weak")


def test_the_unedited_model_is_a_candidate_of_every_search_and_every_control_and_costs_nothing(table):
    unedited = table[table["edit"] == "unedited"]
    assert (unedited["spent"] == 0).all()
    for cost, before in (("benign_kl", 0.1), ("benign_rise", 0.1), ("answers_rise", BEFORE), ("benchmark_loss", BEFORE)):
        own = unedited[unedited["cost"] == cost]
        assert own["gained"].to_numpy() == pytest.approx(before)
        assert not table.loc[table["cost"] == cost, "draw"].drop_duplicates().isin(own["draw"]).eq(False).any()


def test_only_the_main_contrast_is_shown(table):
    assert set(table["search"]) == {"row_mean"}
    assert set(table["draw"]) == {"", "isotropic-0", "isotropic-1", "shuffled-0"}


def test_searches_along_foreign_directions_stand_beside_the_controls_of_the_same_search(tables):
    rows = [tables.screen, pd.DataFrame([screen_row("row_mean@theirs", one, 0.3, 0.001) for one in (1.0, 2.0)])]
    found = tried(tables.but(screen=pd.concat(rows)), "weak", ("theirs",))
    assert set(found["search"]) == {"row_mean", "row_mean@theirs"}
    columns = ["draw", "cost", "spent", "gained", "edit"]
    own, other = (found[(found["search"] == one) & (found["draw"] != "")][columns] for one in ("row_mean", "row_mean@theirs"))
    assert len(own) and own.reset_index(drop=True).equals(other.reset_index(drop=True))


def test_a_candidate_that_was_asked_a_few_prompts_is_on_no_front(table):
    few = marked(table)[~marked(table)["whole"]]
    assert len(few) == 2 and not few["front"].any()
    ends = table.groupby("cost")["spent"].max().to_dict()
    own = steps(table, ends).query("kind == 'search' and cost == 'benign_kl'")
    assert own["high"].max() == pytest.approx(0.7)


def test_the_band_holds_every_controls_own_front_and_goes_on_pale_where_none_was_tried(table):
    found = steps(table, {**table.groupby("cost")["spent"].max().to_dict(), "benign_kl": 0.2})
    band = found[(found["cost"] == "benign_kl") & found["kind"].isin(["controls", "beyond"])]
    controls = table[(table["cost"] == "benign_kl") & (table["draw"] != "")]
    for row in band.itertuples():
        best = controls[controls["spent"] <= row.spent].groupby("draw")["gained"].max()
        assert (row.low, row.high) == pytest.approx((best.min(), best.max()))
    farthest = controls["spent"].max()
    assert (band[band["kind"] == "controls"]["spent"] <= farthest).all()
    beyond = band[band["kind"] == "beyond"]
    assert beyond["spent"].min() == farthest and beyond["spent"].max() == 0.2 and beyond["high"].nunique() == 1


def test_controls_that_were_not_benchmarked_have_no_band_of_losses(table):
    found = steps(table, table.groupby("cost")["spent"].max().to_dict())
    assert "controls" in set(found["kind"])
    assert set(found.loc[found["cost"] == "benchmark_loss", "kind"]) == {"search"}


def test_controls_that_took_benchmarks_are_a_band_of_losses(tables):
    """Two of three draws took them: the band is theirs, and goes on pale beyond the larger loss."""
    losses = {"isotropic-0": (0.5, 0.04), "shuffled-0": (0.3, 0.01)}
    rows = [pick_row(f"row_mean~{draw}", 10.0, *reached) for draw, reached in losses.items()]
    picks = pd.DataFrame([pick_row("row_mean", 10.0, 0.75, 0.06), *rows, pick_row("row_mean~isotropic-1", 10.0, 0.6, np.nan)])
    table = tried(tables.but(picks=picks), "weak")
    own = table[table["cost"] == "benchmark_loss"]
    assert set(own["draw"]) == {"", *losses}
    band = steps(table, table.groupby("cost")["spent"].max().to_dict()).query("cost == 'benchmark_loss'")
    controls = band[band["kind"] == "controls"].set_index("spent")
    assert controls.loc[0.04, ["low", "high"]].tolist() == [0.3, 0.5]
    assert controls.loc[0.0, ["low", "high"]].tolist() == [BEFORE, BEFORE]
    assert band.loc[band["kind"] == "beyond", "spent"].tolist() == [0.04, 0.06]
    data = chart_data(draw(table, costs(ROSI)).to_dict())
    assert "benchmark_loss" in set(data.loc[data["kind"] == "controls", "cost"])
    assert "benchmark_loss" not in set(data.loc[data["kind"] == "uncontrolled", "cost"])


def test_the_figure_shows_each_candidate_of_the_search_once_a_cost(table):
    data = chart_data(draw(table, costs(ROSI)).to_dict())
    own = table[table["draw"] == ""]
    assert (data["kind"] == "candidate").sum() == len(own)
    assert set(data["cost"]) == {cost.name for cost in costs(ROSI)}


def test_a_run_without_answers_on_the_select_split_shows_the_screen_alone(tables):
    table = tried(tables.but(picks=None), "weak")
    assert set(table["cost"]) == {"benign_kl", "benign_rise"}
    assert not chart_data(draw(table, costs(ROSI)).to_dict()).empty


def test_a_model_that_was_not_screened_is_missing_evidence():
    with pytest.raises(MissingEvidence):
        tried(make_tables(models=("base",), controls=1, items=4).but(screen=None), "base")


def test_a_panel_without_controls_says_so(tables):
    """On benchmarks, which these controls did not take."""
    data = chart_data(draw(tried(tables, "weak"), costs(ROSI)).to_dict())
    told = data[data["kind"] == "uncontrolled"]
    assert set(told["cost"]) == {"benchmark_loss"} and len(told) == 1
    assert {"benign_kl", "benign_rise", "answers_rise"} <= set(data.loc[data["kind"] == "controls", "cost"])
