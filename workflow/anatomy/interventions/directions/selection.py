"""The published rule that picks one direction from the grid, with a reason for every cell."""

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from anatomy.errors import DataError

Limit = Literal["induce", "kl"]

LIMITS: tuple[Limit, ...] = ("induce", "kl")
"""What a cell has to keep; the cheaper one to score first."""

NEEDED = ("position", "layer", "bypass", "induce", "kl")


@dataclass(frozen=True)
class SelectionRule:
    """Bounds of the rule.

    Attributes:
        least_induce: smallest refusal metric that adding the direction must reach on harmless prompts.
        most_kl: largest divergence that ablating it may cause there, in nats.
        layer_fraction: layers below ``int(layer_fraction * L)`` are candidates (0-based). The integer cut
            reproduces the grids that Arditi et al. 2024 released; ``l < 0.8 L`` does not.
    """

    least_induce: float
    most_kl: float
    layer_fraction: float

    def cut(self, num_layers: int) -> int:
        """The first layer that is no candidate."""
        return int(self.layer_fraction * num_layers)


@dataclass(frozen=True)
class Selection:
    """A grid with its verdicts.

    Attributes:
        grid: the input with ``kept`` (bool) and ``reason`` (why a cell was dropped; ``picked`` or ``kept`` otherwise).
        outcome: ``picked``, or ``empty grid`` when no cell is kept: what depends on the pick is then not testable.
        position: of the pick.
        layer: of the pick.
    """

    grid: pd.DataFrame
    outcome: Literal["picked", "empty grid"]
    position: int | None
    layer: int | None


def select_direction(grid: pd.DataFrame, num_layers: int, rule: SelectionRule) -> Selection:
    """Keep the cells that satisfy the rule and pick the one with the lowest bypass (ties: lower layer, later position).

    Args:
        grid: one row a cell with ``position, layer, bypass, induce, kl``. Where ``dropped`` says why a search did not score a
            cell on all prompts, that is its reason and it is not kept; the column is left out of the answer.
        num_layers: blocks L of the model.
        rule: bounds; ``PUBLISHED_RULE``.

    Raises:
        DataError: a needed column is missing or the grid has no row.
    """
    missing = [column for column in NEEDED if column not in grid.columns]
    if missing or grid.empty:
        raise DataError(
            found=f"{len(grid)} rows, columns {list(grid.columns)}",
            expected=f"rows with columns {list(NEEDED)}",
            where="direction grid",
        )
    reasons = [_objections(row, num_layers, rule) for row in grid.to_dict("records")]
    judged = grid.drop(columns="dropped", errors="ignore").assign(
        kept=[not reason for reason in reasons], reason=[reason or "kept" for reason in reasons]
    )
    kept = judged[judged["kept"]].sort_values(["bypass", "layer", "position"], ascending=[True, True, False])
    if kept.empty:
        return Selection(judged, "empty grid", None, None)
    judged.loc[kept.index[0], "reason"] = "picked"
    return Selection(judged, "picked", int(kept.iloc[0]["position"]), int(kept.iloc[0]["layer"]))


def _objections(row: dict, num_layers: int, rule: SelectionRule) -> str:
    if row.get("norm") == 0.0:
        return "zero norm"
    if row.get("dropped"):
        return row["dropped"]
    undefined = [name for name in ("bypass", "induce", "kl") if not math.isfinite(row[name])]
    if undefined:
        return f"{', '.join(undefined)} not finite"
    cut = rule.cut(num_layers)
    objections = []
    if row["induce"] < rule.least_induce:
        objections.append(f"induce < {rule.least_induce:g}")
    if row["kl"] > rule.most_kl:
        objections.append(f"kl > {rule.most_kl:g}")
    if row["layer"] >= cut:
        objections.append(f"layer >= {cut}")
    return "; ".join(objections)
