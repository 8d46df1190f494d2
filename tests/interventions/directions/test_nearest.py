import math

import pandas as pd

from anatomy.interventions.directions.nearest import nearest_cell
from anatomy.interventions.directions.selection import SelectionRule

RULE = SelectionRule(least_induce=0.0, most_kl=0.1, layer_fraction=0.8)
GRID = pd.DataFrame(
    [(-1, 4, -9.0), (-1, 3, -5.0), (-2, 3, -4.0), (-2, 2, -1.0), (-1, 9, -99.0), (-2, 1, math.nan)],
    columns=["position", "layer", "bypass"],
)


def test_the_lowest_bypass_of_the_layers_that_the_rule_allows():
    assert nearest_cell(GRID, 10, RULE) == (-1, 4)
    assert nearest_cell(GRID, 5, RULE) == (-1, 3)


def test_a_cell_that_was_not_scored_on_all_prompts_is_not_the_nearest():
    assert nearest_cell(GRID.assign(n_bypass=[4, 32, 32, 8, 0, 0]), 10, RULE) == (-1, 3)


def test_a_grid_without_scores_has_none():
    assert nearest_cell(GRID.assign(bypass=math.nan), 10, RULE) is None
    assert nearest_cell(GRID, 1, RULE) is None


def test_ties_go_where_the_pick_would():
    tied = pd.DataFrame([(-2, 2, -1.0), (-1, 2, -1.0), (-1, 3, -1.0)], columns=["position", "layer", "bypass"])
    assert nearest_cell(tied, 10, RULE) == (-1, 2)
