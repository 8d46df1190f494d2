"""What stands where no direction passes the selection rule: the cell whose ablation bypasses refusal most."""

from __future__ import annotations

import pandas as pd

from anatomy.interventions.directions.prompt_scores import Cell
from anatomy.interventions.directions.selection import SelectionRule


def nearest_cell(grid: pd.DataFrame, num_layers: int, rule: SelectionRule) -> Cell | None:
    """The cell with the lowest bypass in the layers that the rule allows; None where none has one.

    Of a grid that was raced this holds where ``select_direction`` found nothing: only then is this cell raced for. Ties go to
    the lower layer, then to the later position, as there.

    Args:
        grid: with ``position, layer, bypass``; and ``n_bypass`` where not every cell was scored on all prompts
            (``search_directions``).
        num_layers: blocks of the model.
        rule: whose layers count.
    """
    cells = grid[(grid["layer"] < rule.cut(num_layers)) & grid["bypass"].notna()]
    if "n_bypass" in grid:
        cells = cells[cells["n_bypass"] == grid["n_bypass"].max()]
    if cells.empty:
        return None
    best = cells.sort_values(["bypass", "layer", "position"], ascending=[True, True, False]).iloc[0]
    return int(best["position"]), int(best["layer"])
