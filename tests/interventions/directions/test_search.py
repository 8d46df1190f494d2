"""A raced grid against an exhaustive one, on the tiny model."""

import pandas as pd
import pytest
import torch
from counted_tokens import counting

from anatomy.interventions.directions.candidates import Directions, difference_in_means
from anatomy.interventions.directions.grid import separation_grid
from anatomy.interventions.directions.nearest import nearest_cell
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.prompt_scores import PromptScores, distinct_axes
from anatomy.interventions.directions.scores import score_candidates
from anatomy.interventions.directions.search import search_control, search_directions
from anatomy.interventions.directions.selection import SelectionRule, select_direction
from anatomy.models.activations.means import mean_activations
from anatomy.models.rendering import Rendering, render

TOKENS = [30, 70]
PACE = Pace(first=4, error=0.05, seed=0)
WIDE = SelectionRule(least_induce=-100.0, most_kl=100.0, layer_fraction=0.8)
NONE = SelectionRule(least_induce=100.0, most_kl=100.0, layer_fraction=1.0)
OPTIONS = dict(common_prefix=[11], token_budget=2000, epsilon=1e-8)
VERBS = ("mix", "open", "burn", "stir")


@pytest.fixture(scope="module")
def sides(tiny):
    texts = [[f"{verb} the {thing} {number}" for verb in VERBS for number in range(6)] for thing in ("gate and lamp", "cake")]
    return [render(tiny.tokenizer, side, Rendering()) for side in texts]


@pytest.fixture(scope="module")
def candidates(tiny, sides):
    return difference_in_means(*(mean_activations(tiny, side, [-3, -2, -1], token_budget=500) for side in sides))


def searched(tiny, candidates, sides, rule, pace):
    return search_directions(tiny, candidates, *sides, TOKENS, rule=rule, pace=pace, harmless_answers=None, **OPTIONS)


def test_without_a_race_every_cell_has_all_its_scores(tiny, candidates, sides):
    grid = searched(tiny, candidates, sides, WIDE, None)
    scorer = PromptScores.of(tiny, candidates, *sides, TOKENS, harmless_answers=None, **OPTIONS)
    for expected in (score_candidates(scorer), separation_grid(tiny, candidates, *sides, token_budget=2000)):
        pd.testing.assert_frame_equal(grid[expected.columns], expected)
    scored = grid[grid["norm"] > 0]
    assert (scored[["n_bypass", "n_induce", "n_kl"]] == 24).all(axis=None) and (grid["dropped"] == "").all()
    unscored = grid[grid["layer"] == 0]
    assert (unscored["norm"] == 0).all() and (unscored["n_kl"] == 0).all() and scored["cohens_d"].gt(0).all()


@pytest.mark.parametrize("rule", [WIDE, NONE])
def test_a_race_picks_what_scoring_everything_picks(tiny, candidates, sides, rule):
    with counting() as whole:
        exhaustive = searched(tiny, candidates, sides, rule, None)
    with counting() as lean:
        raced = searched(tiny, candidates, sides, rule, PACE)
    expected, found = (select_direction(grid, 4, rule) for grid in (exhaustive, raced))
    assert (found.outcome, found.position, found.layer) == (expected.outcome, expected.position, expected.layer)
    assert lean.tokens < whole.tokens
    # A score on all prompts is the same score.
    for name in ("bypass", "induce", "kl"):
        complete = raced[f"n_{name}"] == 24
        assert complete.any()
        assert raced.loc[complete, name].tolist() == pytest.approx(exhaustive.loc[complete, name].tolist(), abs=1e-5)
    assert raced.loc[raced["layer"] >= rule.cut(4), "dropped"].eq("layer >= 3").all()
    assert "dropped" not in found.grid and not found.grid.loc[raced["dropped"] != "", "kept"].any()


def test_where_nothing_is_kept_the_lowest_bypass_is_that_of_scoring_everything(tiny, candidates, sides):
    exhaustive, raced = (searched(tiny, candidates, sides, NONE, pace) for pace in (None, PACE))
    cell = nearest_cell(raced, 4, NONE)
    assert cell is not None and cell == nearest_cell(exhaustive, 4, NONE)
    (row,) = raced[(raced["position"] == cell[0]) & (raced["layer"] == cell[1])].to_dict("records")
    assert row["n_bypass"] == row["n_induce"] == row["n_kl"] == 24
    # Divergence, the dearest score, is asked for this one cell alone.
    assert (raced["n_kl"] > 0).sum() == 1


def test_a_control_is_searched_by_the_same_race(tiny, candidates, sides):
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randn(4, 64, generator=generator).expand(3, 4, 64) * candidates.norms()[..., None].float()
    control = Directions(drawn.contiguous(), candidates.positions, candidates.layers)
    found = {}
    for name, pace in (("whole", None), ("raced", PACE)):
        with counting() as passed:
            found[name] = search_control(tiny, control, *sides, TOKENS, rule=WIDE, pace=pace, **OPTIONS)
        found[f"{name} tokens"] = passed.tokens
    assert found["raced"] == found["whole"]
    assert found["raced tokens"] < found["whole tokens"]
    assert all(cell[1] in (1, 2) for cell in found["whole"].values())


def test_directions_along_one_axis_are_ablated_once(tiny, candidates, sides):
    vectors = candidates.vectors.clone()
    vectors[0], vectors[1] = 0.3 * vectors[2], -7.0 * vectors[2]
    along = Directions(vectors, candidates.positions, candidates.layers)
    scorer = PromptScores.of(tiny, along, *sides, TOKENS, harmless_answers=None, **OPTIONS)
    cells = [(-3, 2), (-2, 2), (-1, 2), (-1, 1)]
    with counting() as four:
        scores = scorer.score("bypass", cells, [0, 3])
    with counting() as two:
        alone = scorer.score("bypass", cells[2:], [0, 3])
    assert four.tokens == two.tokens
    assert torch.equal(scores[0], scores[2]) and torch.equal(scores[1], scores[2])
    assert (scores[2:] - alone).abs().max() < 1e-5
    units, same = distinct_axes(torch.stack([candidates.unit(*cell) for cell in [(-3, 1), (-2, 1), (-1, 1)]]))
    assert len(units) == 3 and same.tolist() == [0, 1, 2]
