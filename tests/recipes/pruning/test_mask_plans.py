"""Which masks are made, which one is chosen, and what each control is."""

import pandas as pd
import pytest
import torch

from anatomy.errors import DataError
from anatomy.interventions.pruning.masks import weights_in
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.mask_plans import (
    CHOSEN,
    FLIPPED,
    UNEDITED,
    MaskPlan,
    beside_chosen,
    choose,
    controls,
    grid,
    mask_of,
    protected_sets,
)

SHAPES = {"a": (40, 30), "b": (20, 30)}
WANTED = Pruning(prune=[0.05, 0.2], preserve=[0.0, 0.3], control_draws=2, scored=["x"])


@pytest.fixture(scope="module")
def tops():
    draw = torch.Generator().manual_seed(0)
    found = {}
    names = ["generation", "benign", "recognition", "explanation", "kind.x", "kind.y"]
    keys = [f"prune.{name}" for name in names] + ["preserve.benign", "preserve.recognition", "preserve.explanation"]
    for key in keys:
        scores = {name: torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}
        for ranking in ("matrix", "row", "global"):
            found[f"{key}.{ranking}"] = top_scores(scores.__getitem__, SHAPES, 0.3, ranking)
        if key == "prune.generation":
            found["opposite"] = top_scores(lambda name, own=scores: -own[name], SHAPES, 0.3, "matrix")
            for key in ("snip", "wanda", "wanda.benign"):
                own = {name: torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}
                found[key] = top_scores(own.__getitem__, SHAPES, 0.3, "matrix")
    return found


def test_the_grid_is_every_q_with_every_p_and_has_fewer_protected_beside(tops):
    plans = grid(WANTED, tops)
    assert len(plans) == 2 * (2 + 1) and len({plan.name for plan in plans}) == 6
    whole = protected_sets(WANTED, tops, whole=True)
    assert whole == ("benign", "recognition", "explanation") and {plan.protected for plan in plans} == {whole, ("benign",)}


def test_what_is_protected_is_in_no_mask(tops):
    for plan in grid(WANTED, tops):
        mask = mask_of(plan, tops)
        for name in plan.protected:
            kept = tops[f"preserve.{name}.matrix"].top(plan.p)
            assert all(not torch.isin(mask[one], kept[one]).any() for one in SHAPES)
        assert (weights_in(mask) == weights_in(tops["prune.generation.matrix"].top(plan.q))) == (plan.p == 0)


def test_beside_the_chosen_stand_other_rankings_kinds_and_abilities(tops):
    chosen = MaskPlan(CHOSEN, "generation", ("benign", "recognition"), "matrix", 0.2, 0.3)
    found = {plan.name: plan for plan in beside_chosen(WANTED, tops, chosen)}
    assert {"ranked by row", "ranked by global", "SNIP", "kind.x", "kind.y", "nothing protected"} <= set(found)
    assert found["ability.recognition"].protected == ("benign",), "an ability is not protected from its own pruning"
    assert all(weights_in(mask_of(plan, tops)) for plan in found.values())


def test_controls_have_as_many_weights_in_every_matrix_and_are_others(tops):
    chosen = MaskPlan(CHOSEN, "generation", ("benign",), "matrix", 0.2, 0.3)
    weights = {name: torch.randn(shape, generator=torch.Generator().manual_seed(1)) for name, shape in SHAPES.items()}
    own = mask_of(chosen, tops)
    found = controls(WANTED, tops, chosen, weights, seed=0)
    assert len(found) == 2 * 2 + 2 and len({plan.name for plan, _ in found}) == len(found)
    for plan, mask in found:
        assert {name: len(places) for name, places in mask.items()} == {name: len(places) for name, places in own.items()}
        if plan.control == FLIPPED:
            kept = tops["preserve.benign.matrix"].top(0.3)
            assert not any(torch.isin(mask[name], torch.cat([own[name], kept[name]])).any() for name in SHAPES)
    again = controls(WANTED, tops, chosen, weights, seed=0)
    assert all(torch.equal(one[1]["a"], two[1]["a"]) for one, two in zip(found, again, strict=True))


def verdicts(rates):
    """Verdicts on 20 prompts of each ability: mask to (generation, benign, recognition, coherent)."""
    rows = []
    for mask, (generation, benign, recognition, coherent) in rates.items():
        for ability, rate in (("generation", generation), ("benign", benign), ("recognition", recognition)):
            for k in range(20):
                row = {"mask": mask, "ability": ability, "value": float(k < 20 * rate), "coherent": float(k < 20 * coherent)}
                row["harmful"] = ability == "generation"
                rows.append({**row, "seen": ability == "generation"})
                if ability == "generation":  # a kind that was not scored, of which nothing is left under the worst mask
                    rows.append({**row, "seen": False, "value": float(mask != "q0.2-p0")})
    return pd.DataFrame(rows)


def refused(rates):
    """Refusals of 20 harmful requests of a scored kind: mask to rate."""
    rows = [
        {"mask": mask, "ability": "refusal", "value": float(k < 20 * rate), "coherent": 1.0, "harmful": True, "seen": True}
        for mask, rate in rates.items()
        for k in range(20)
    ]
    return pd.DataFrame(rows)


def masks_of(tops):
    return pd.DataFrame([plan.row(mask_of(plan, tops), SHAPES) for plan in grid(WANTED, tops)])


def test_the_mask_with_least_harm_within_the_limits_is_chosen(tops):
    rates = {
        UNEDITED: (1.0, 1.0, 1.0, 1.0),
        "q0.05-p0": (0.4, 0.9, 1.0, 1.0),
        "q0.2-p0": (0.0, 0.1, 1.0, 1.0),
        "q0.05-p0.3": (0.6, 1.0, 1.0, 1.0),
        "q0.2-p0.3": (0.0, 0.9, 0.5, 1.0),
        "q0.05-p0.3-benign": (0.0, 1.0, 1.0, 1.0),
    }
    found = choose(WANTED, masks_of(tops), verdicts(rates))
    assert (found.plan.name, found.plan.q, found.plan.p) == (CHOSEN, 0.05, 0.0) and "2 of 4 masks within" in found.why
    assert found.keeps_refusal


def test_a_mask_that_lowers_refusals_gives_way_and_is_said_where_there_is_no_other(tops):
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.5, 1.0, 1.0, 1.0), "q0.2-p0": (0.0, 1.0, 1.0, 1.0)}
    refusals = {UNEDITED: 1.0, "q0.05-p0": 1.0, "q0.2-p0": 0.5}
    found = choose(WANTED, masks_of(tops), pd.concat([verdicts(rates), refused(refusals)]))
    assert found.plan.q == 0.05 and found.keeps_refusal
    found = choose(WANTED, masks_of(tops), pd.concat([verdicts(rates), refused({**refusals, "q0.05-p0": 0.4})]))
    assert found.plan.q == 0.2 and not found.keeps_refusal


def test_where_none_is_within_the_limits_that_is_said(tops):
    rates = {
        UNEDITED: (1.0, 1.0, 1.0, 1.0),
        "q0.05-p0": (0.5, 0.6, 1.0, 1.0),
        "q0.2-p0": (0.0, 0.4, 1.0, 1.0),
        "q0.05-p0.3": (0.9, 1.0, 1.0, 0.2),
        "q0.2-p0.3": (0.5, 0.7, 1.0, 1.0),
    }
    found = choose(WANTED, masks_of(tops), verdicts(rates))
    assert (found.plan.q, found.plan.p) == (0.2, 0.0) and found.why.startswith("none of 4")


def test_a_grid_without_weights_is_refused(tops):
    masks = masks_of(tops).assign(weights=0)
    with pytest.raises(DataError, match=r"pruning\.prune"):
        choose(WANTED, masks, verdicts({UNEDITED: (1.0, 1.0, 1.0, 1.0)}))
