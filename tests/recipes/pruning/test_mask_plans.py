"""Which masks are made, and what each control is."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from anatomy.interventions.pruning.masks import weights_in
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.recipes.pruning.jobs.test import overlaps
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.mask_plans import (
    CHOSEN,
    FLIPPED,
    MaskPlan,
    beside_chosen,
    controls,
    everything_protected,
    grid,
    lacked_words,
    lacking,
    mask_of,
    protected_sets,
    sized_as_grid,
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


def test_where_nothing_is_protected_besides_no_mask_is_asked_twice(tops):
    wanted = WANTED.model_copy(update={"protected": []})
    assert len(grid(wanted, tops)) == 2 * 2 and {plan.protected for plan in grid(wanted, tops)} == {("benign",)}


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


@pytest.mark.parametrize("preserve", [[0.0, 0.3], [0.3]])
def test_the_grid_has_one_random_mask_of_each_q_as_large_as_its_largest(tops, preserve):
    wanted = WANTED.model_copy(update={"preserve": preserve, "protected": []})
    plans = [(plan, mask_of(plan, tops)) for plan in grid(wanted, tops)]
    found = sized_as_grid(wanted, plans, SHAPES, seed=0)
    assert [plan.q for plan, _ in found] == wanted.prune and {plan.control for plan, _ in found} == {"random"}
    for plan, mask in found:
        (own,) = {tuple(map(len, one.values())) for other, one in plans if (other.q, other.p) == (plan.q, preserve[0])}
        assert tuple(map(len, mask.values())) == own
    assert not {plan.name for plan, _ in found} & {plan.name for plan, _ in plans}
    table = pd.DataFrame([plan.row(mask, SHAPES, {}) for plan, mask in [*plans, *found]])
    assert set(everything_protected(table)["mask"]) == {plan.name for plan, _ in plans}


@pytest.fixture
def dead(tops):
    """Scores of a model in which no harmful answer reaches matrix b, and no benign one matrix a."""
    found = dict(tops)
    for ranking in ("matrix", "row", "global"):
        for key, name in ((f"prune.generation.{ranking}", "b"), (f"preserve.benign.{ranking}", "a"), ("opposite", "a")):
            draw = torch.Generator().manual_seed(3)
            scores = {one: torch.randn(shape, generator=draw) for one, shape in SHAPES.items()}
            scores[name].zero_()
            found[key] = top_scores(scores.__getitem__, SHAPES, 0.3, "matrix" if key == "opposite" else ranking)
    return found


@pytest.mark.parametrize("ranking", ["matrix", "row", "global"])
def test_of_a_matrix_that_no_answer_reaches_nothing_is_pruned_and_nothing_preserved(dead, ranking):
    plan = MaskPlan("x", "generation", ("benign",), ranking, 0.3, 0.3)
    mask, bare = (mask_of(one, dead) for one in (plan, replace(plan, protected=())))
    assert not len(mask["b"]), "weights with score 0 are no better than those that stay"
    assert torch.equal(mask["a"], bare["a"]) and len(mask["a"]), "what no benign answer touches is not preserved"
    lacked = lacking(plan, mask, dead)
    assert lacked.get("b", 0) == (0 if ranking == "global" else 180), "all matrices together have enough"
    assert lacked.get("a", 0) == (2 if ranking == "row" else 0), "a row with fewer than 9 of 30 above 0"
    assert plan.row(mask, SHAPES, lacked)["lacking"] == sum(lacked.values())
    assert ("180 of b" in lacked_words(lacked)) == bool(lacked)


def test_controls_have_as_many_weights_where_no_score_is_above_0_and_say_how_many_were_drawn(dead):
    chosen = MaskPlan(CHOSEN, "generation", ("benign",), "matrix", 0.2, 0.3)
    weights = {name: torch.randn(shape, generator=torch.Generator().manual_seed(1)) for name, shape in SHAPES.items()}
    own = mask_of(chosen, dead)
    for plan, mask in controls(WANTED, dead, chosen, weights, seed=0):
        assert {name: len(places) for name, places in mask.items()} == {"a": len(own["a"]), "b": 0}
        assert lacking(plan, mask, dead) == ({"a": len(own["a"])} if plan.control == FLIPPED else {})


def test_overlaps_know_what_was_preserved(tops):
    """Scores are drawn: masks share what chance gives among the weights that are not preserved, which are 7 of 10."""
    plans = [MaskPlan(name, name, ("benign",), "matrix", 0.3, 0.3) for name in ("kind.x", "kind.y")]
    masks = [(plan, mask_of(plan, tops)) for plan in plans]
    (row,) = overlaps(masks, SHAPES, tops).itertuples()
    met = sum(
        len(masks[0][1][name]) * len(masks[1][1][name]) / (0.7 * rows * columns) for name, (rows, columns) in SHAPES.items()
    )
    assert row.expected == pytest.approx(met / (row.weights_one + row.weights_two - met), rel=1e-6)
    assert row.random_low < row.jaccard < row.random_high and row.p_value > 0.01
