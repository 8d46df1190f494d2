"""What stands where no direction passes the selection rule: the best cell by each part of the rule, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from anatomy.interventions.directions.prompt_scores import CRITERIA, Criterion
from anatomy.interventions.directions.selection import Limit, SelectionRule


@dataclass(frozen=True)
class Miss:
    """A part of the rule.

    Attributes:
        what: in words.
        criterion: what is best: bypass, lowest; or induce, highest.
        limits: those that still hold.
    """

    what: str
    criterion: Criterion
    limits: tuple[Limit, ...]


LOWEST_BYPASS = "lowest bypass"

MISSES = (
    Miss("lowest bypass within the limit of KL", "bypass", ("kl",)),
    Miss("lowest bypass within the limit of induce", "bypass", ("induce",)),
    Miss(LOWEST_BYPASS, "bypass", ()),
    Miss("highest induce", "induce", ()),
)
"""The rule without one limit, without the other, without both; and the cell that comes nearest to inducing refusal."""


@dataclass(frozen=True)
class NearMiss:
    """A cell that is best by a part of the rule.

    Attributes:
        what: which part.
        position, layer: of the cell.
        bypass, induce, kl: its scores; NaN, or on some prompts only, where a race did not need them for this part.
        lacks: the limits that it does not keep, in words; empty where it keeps all that it was scored on.
    """

    what: str
    position: int
    layer: int
    bypass: float
    induce: float
    kl: float
    lacks: str


def near_misses(grid: pd.DataFrame, num_layers: int, rule: SelectionRule) -> list[NearMiss]:
    """The best cell by each part of the rule, in the layers it allows; a part that no cell keeps is left out.

    Of a grid that was raced this holds where ``select_direction`` found nothing: only then are near misses raced for. Ties go to
    the lower layer, then to the later position, as there.

    Args:
        grid: with ``position, layer, bypass, induce, kl``; and, where not every cell was scored on all prompts, ``n_bypass,
            n_induce, n_kl`` (``search_directions``).
        num_layers: blocks of the model.
        rule: its limits.
    """
    allowed = grid[grid["layer"] < rule.cut(num_layers)]
    found = []
    for miss in MISSES:
        cells = allowed
        for criterion in (miss.criterion, *miss.limits):
            cells = cells[_whole(grid, criterion).loc[cells.index]]
        for limit in miss.limits:
            cells = cells[cells["induce"] >= rule.least_induce if limit == "induce" else cells["kl"] <= rule.most_kl]
        if not cells.empty:
            ranked = cells.sort_values([miss.criterion, "layer", "position"], ascending=[miss.criterion == "bypass", True, False])
            best = ranked.iloc[0]
            bypass, induce, kl = (float(best[name]) for name in CRITERIA)
            found.append(NearMiss(miss.what, int(best["position"]), int(best["layer"]), bypass, induce, kl, _lacks(best, rule)))
    return found


def _whole(grid: pd.DataFrame, criterion: Criterion) -> pd.Series:
    """Whether each cell has this score, on all prompts."""
    finite = grid[criterion].notna()
    count = f"n_{criterion}"
    return finite & (grid[count] == grid[count].max()) if count in grid else finite


def _lacks(cell: pd.Series, rule: SelectionRule) -> str:
    """Limits that a cell does not keep."""
    lacking = []
    if cell["induce"] < rule.least_induce:
        lacking.append(f"induce {cell['induce']:.3g} < {rule.least_induce:g}")
    if cell["kl"] > rule.most_kl:
        lacking.append(f"kl {cell['kl']:.3g} > {rule.most_kl:g}")
    return "; ".join(lacking)
