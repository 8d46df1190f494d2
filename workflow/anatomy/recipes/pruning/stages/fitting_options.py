"""Options that a model of this size cannot meet: refused before it is asked anything."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.errors import ConfigError
from anatomy.recipes.pruning.options import Pruning

PINS: tuple[str, ...] = ()


def require_fitting(wanted: Pruning, shapes: Mapping[str, tuple[int, int]], where: str) -> None:
    """Refuse fractions so small that no mask has a weight, and spaces to preserve that leave nothing to take away.

    Args:
        shapes: rows and columns of every scored matrix.
        where: which model's.

    Raises:
        ConfigError: one of both.
    """
    if wanted.ranking == "global":
        largest, of = sum(rows * columns for rows, columns in shapes.values()), "weights of all matrices"
    elif wanted.ranking == "row":
        largest, of = max(columns for _, columns in shapes.values()), "weights of the longest row"
    else:
        largest, of = max(rows * columns for rows, columns in shapes.values()), "weights of the largest matrix"
    most = max(wanted.prune)
    if not int(most * largest):
        raise ConfigError(
            found=f"fractions up to {most:g}, of {largest} {of} not one",
            expected=f"at least one q from {1 / largest:.2g}",
            where=f"pruning.prune, {where}",
            remedy="larger fractions (the paper's are for models of billions), or pruning.ranking: global",
        )
    longest = max(rows for rows, _ in shapes.values())
    if wanted.removed_ranks and wanted.preserved_ranks >= longest:
        raise ConfigError(
            found=f"{wanted.preserved_ranks} output directions that stay, of at most {longest} that a matrix has",
            expected="fewer, so that there is something to take away",
            where=f"pruning.preserved_ranks, {where}",
            remedy="fewer of them, or pruning.removed_ranks: null",
        )
