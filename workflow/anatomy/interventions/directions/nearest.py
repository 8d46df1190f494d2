"""The direction that comes nearest to the published rule where none passes it: shown beside the verdict that none did."""

from __future__ import annotations

import pandas as pd

from anatomy.interventions.directions.selection import SelectionRule

Cell = tuple[int, int]


def nearest_direction(grid: pd.DataFrame, num_layers: int, rule: SelectionRule) -> Cell | None:
    """Position and layer of the lowest bypass among the layers that the rule allows, whatever its induce and KL are.

    Ours. The rule's bounds were set on models of 1.8 to 70 billion parameters (Arditi et al. 2024, appendix C); where no
    candidate of another model satisfies them, what its best one does is still worth measuring, under a name that says so.

    Args:
        grid: one row a cell with ``position, layer, bypass``.
        num_layers: blocks L of the model.

    Returns:
        None where no cell has a finite score.
    """
    cells = grid[grid["layer"] < int(rule.layer_fraction * num_layers)].dropna(subset=["bypass"])
    if cells.empty:
        return None
    best = cells.sort_values(["bypass", "layer", "position"], ascending=[True, True, False]).iloc[0]
    return int(best["position"]), int(best["layer"])
