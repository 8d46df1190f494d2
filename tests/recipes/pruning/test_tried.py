"""What masks remove and cost: the grid's front, and the band of controls of the chosen mask."""

import pandas as pd
import pytest

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.pareto_front import draw, marked, steps
from anatomy.evidence.figures.save import chart_data
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, OF_A_KIND, RANDOM, UNEDITED
from anatomy.recipes.pruning.tried import GRID, TESTED, costs, tried

MODEL, PROMPTS = "aligned.s0", 20


def values_of(mask, harm, benign, coherent=1.0):
    """Verdicts with these rates exactly."""
    rates = {"generation": harm, "benign": benign, "recognition": 1.0}
    return pd.DataFrame(
        [
            {"model": MODEL, "mask": mask, "ability": ability, "id": f"{ability}/{n}", "group": n, "seen": True}
            | {"value": float(n < round(PROMPTS * rate)), "coherent": float(n < round(PROMPTS * coherent))}
            for ability, rate in rates.items()
            for n in range(PROMPTS)
        ]
    )


def moved_by(masks):
    """Divergences of two prompts, in nats."""
    rows = [{"model": MODEL, "mask": mask, "id": str(n), "kl": kl} for mask, both in masks.items() for n, kl in enumerate(both)]
    return pd.DataFrame(rows)


def mask_row(mask, control="", q=0.01):
    return {"model": MODEL, "mask": mask, "q": q, "p": 0.1, "protected": "benign", "control": control, "weights": 9, "share": q}


@pytest.fixture
def tables():
    grid = {UNEDITED: (0.9, 0.9), "small": (0.6, 0.9), "middle": (0.3, 0.8), "poor": (0.7, 0.6), "large": (0.0, 0.3)}
    test = {UNEDITED: (0.9, 0.9), CHOSEN: (0.3, 0.8), "SNIP": (0.2, 0.4), "kind.x": (0.0, 0.9), "of a kind": (0.0, 0.9)}
    test |= {"random-1": (0.85, 0.7), "random-2": (0.9, 0.9)}
    masks = [mask_row(CHOSEN), mask_row("SNIP"), mask_row("kind.x"), mask_row("of a kind", OF_A_KIND)]
    masks += [mask_row(f"random-{number}", RANDOM) for number in (1, 2)]
    limits = [("benign", 0.8, 0.9), ("refusal", float("nan"), 0.05)]
    return Tables(
        grid_values=pd.concat([values_of(mask, *rates) for mask, rates in grid.items()]),
        grid_masks=pd.DataFrame([mask_row(mask) for mask in grid if mask != UNEDITED]),
        values=pd.concat([values_of(mask, *rates) for mask, rates in test.items()]),
        grid_divergences=moved_by({"small": [0.1, 0.3], "large": [2.0, float("inf")]}),
        mask_divergences=moved_by({CHOSEN: [0.2, 0.2], "random-1": [0.5, 0.5], "random-2": [0.7, 0.7]}),
        masks=pd.DataFrame(masks),
        limits=pd.DataFrame([{"model": MODEL, "ability": a, "share": s, "before": b} for a, s, b in limits]),
    )


def test_masks_that_another_beats_are_on_no_front(tables):
    own = marked(tried(tables, MODEL)).query("search == @GRID and cost == 'benign'").drop_duplicates(["spent", "gained"])
    assert own.loc[own["front"], "gained"].sort_values().tolist() == pytest.approx([0.4, 0.7, 1.0])
    assert own.loc[~own["front"], "gained"].sort_values().tolist() == pytest.approx([0.1, 0.3])


def test_costs_are_falls_against_the_unedited_model(tables):
    found = tried(tables, MODEL).query("search == @TESTED and cost == 'benign'").set_index("edit")["spent"]
    assert found[CHOSEN] == pytest.approx(0.1) and found["SNIP"] == pytest.approx(0.5)
    assert (found["unedited"] == 0).all()


def test_what_predictions_move_is_a_cost_too_and_one_that_is_no_number_is_left_out(tables):
    found = tried(tables, MODEL).query("cost == 'moved'")
    grid = found.query("search == @GRID").set_index("edit")["spent"]
    assert dict(grid) == pytest.approx({"q 0.01, p 0.1, kept: benign": 0.2, "unedited": 0.0})
    test = found.query("search == @TESTED").drop_duplicates("edit").set_index("edit")["spent"]
    assert dict(test) == pytest.approx({CHOSEN: 0.2, "random-1": 0.5, "random-2": 0.7, "unedited": 0.0})
    assert costs(tables, MODEL)[-1].limit is None and not costs(tables, MODEL)[-1].share


def test_controls_of_the_chosen_mask_make_the_band_and_masks_for_something_else_are_left_out(tables):
    table = tried(tables, MODEL)
    assert set(table["draw"]) == {"", "random-1", "random-2"}
    assert not {"kind.x", "of a kind"} & set(table["edit"])
    band = steps(table, table.groupby("cost")["spent"].max().to_dict()).query("kind == 'controls' and cost == 'benign'")
    assert set(band["search"]) == {TESTED}
    assert (band["low"].max(), band["high"].max()) == pytest.approx((0.1, 0.15))


def test_random_masks_of_the_grid_are_one_control_of_its_row(tables):
    values = pd.concat([tables.named["grid_values"], *(values_of(f"random, q{q:g}", 0.9 - q, 0.9) for q in (0.1, 0.4))])
    masks = [mask_row(f"random, q{q:g}", RANDOM, q) for q in (0.1, 0.4)]
    masks = pd.concat([tables.named["grid_masks"], pd.DataFrame(masks)])
    table = tried(tables.but(grid_values=values, grid_masks=masks), MODEL).query("search == @GRID")
    own = table[table["draw"] == RANDOM].query("cost == 'benign'").set_index("edit")
    assert dict(own["gained"]) == pytest.approx({"random, q0.1": 0.2, "random, q0.4": 0.5, "unedited": 0.1})
    assert not table.loc[table["draw"] == "", "edit"].str.startswith(RANDOM).any(), "no control is on the grid's front"
    band = steps(table, table.groupby("cost")["spent"].max().to_dict()).query("kind == 'controls' and cost == 'benign'")
    assert band["low"].tolist() == band["high"].tolist() == pytest.approx([0.5] * len(band)), "one draw is a line"


def test_a_limit_is_the_share_that_may_be_lost_of_what_was_there(tables):
    found = {cost.name: cost.limit for cost in costs(tables, MODEL)}
    assert found["benign"] == pytest.approx(0.2 * 0.9) and found["refusal"] is None
    assert all(cost.limit is None for cost in costs(Tables(), MODEL))


def test_a_grid_alone_is_drawn_and_nothing_is_missing_evidence(tables):
    table = tried(tables.but(values=None, masks=None), MODEL)
    data = chart_data(draw(table, costs(tables, MODEL)).to_dict())
    assert set(data["search"].dropna()) == {GRID} and {"benign", "coherent", "recognition", "moved"} == set(data["cost"])
    with pytest.raises(MissingEvidence):
        tried(Tables(), MODEL)
