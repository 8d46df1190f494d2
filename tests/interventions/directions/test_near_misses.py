import math

import pandas as pd
import pytest

from anatomy.interventions.directions.near_misses import near_misses
from anatomy.interventions.directions.selection import SelectionRule

RULE = SelectionRule(least_induce=0.0, most_kl=0.1, layer_fraction=0.8)
GRID = pd.DataFrame(
    [
        (-1, 4, -9.0, -3.0, 0.30),
        (-1, 3, -5.0, -1.0, 0.05),
        (-2, 3, -4.0, 0.5, 0.20),
        (-2, 2, -1.0, 2.0, 0.90),
        (-1, 9, -99.0, 9.0, 0.50),
        (-2, 1, math.nan, math.nan, math.nan),
    ],
    columns=["position", "layer", "bypass", "induce", "kl"],
)


def test_each_part_of_the_rule_has_its_best_cell_and_what_that_lacks():
    found = {miss.what: ((miss.position, miss.layer), miss.lacks) for miss in near_misses(GRID, 10, RULE)}
    assert found == {
        "lowest bypass within the limit of KL": ((-1, 3), "induce -1 < 0"),
        "lowest bypass within the limit of induce": ((-2, 3), "kl 0.2 > 0.1"),
        "lowest bypass": ((-1, 4), "induce -3 < 0; kl 0.3 > 0.1"),
        "highest induce": ((-2, 2), "kl 0.9 > 0.1"),
    }


def test_a_part_that_no_cell_keeps_is_left_out():
    found = near_misses(GRID, 10, SelectionRule(least_induce=5.0, most_kl=0.01, layer_fraction=0.8))
    assert [miss.what for miss in found] == ["lowest bypass", "highest induce"]


def test_a_cell_that_was_not_scored_on_all_prompts_is_no_miss():
    counts = {"n_bypass": [4, 32, 32, 8, 0, 0], "n_induce": [4, 32, 32, 8, 0, 0], "n_kl": [0, 32, 4, 0, 0, 0]}
    found = {miss.what: miss for miss in near_misses(GRID.assign(**counts), 10, RULE)}
    assert (found["lowest bypass"].position, found["lowest bypass"].layer) == (-1, 3)
    assert (found["highest induce"].position, found["highest induce"].layer) == (-2, 3)


def test_a_grid_without_scores_has_no_near_miss():
    empty = GRID.assign(bypass=math.nan, induce=math.nan, kl=math.nan)
    assert near_misses(empty, 10, RULE) == []
    assert near_misses(GRID, 1, RULE) == []


def test_ties_go_where_the_pick_would():
    tied = pd.DataFrame(
        [(-2, 2, -1.0, -1.0, 0.0), (-1, 2, -1.0, -1.0, 0.0), (-1, 3, -1.0, -1.0, 0.0)],
        columns=["position", "layer", "bypass", "induce", "kl"],
    )
    assert {(miss.position, miss.layer) for miss in near_misses(tied, 10, RULE)} == {(-1, 2)}
    assert near_misses(tied, 10, RULE)[0].bypass == pytest.approx(-1.0)
