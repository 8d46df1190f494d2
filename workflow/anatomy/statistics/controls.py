"""A method's effect against the effects of controls that went through the same search."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.errors import DataError


@dataclass(frozen=True)
class ControlComparison:
    """The rank of an estimate among its controls.

    Attributes:
        n: number of controls.
        p: rank p-value; its smallest possible value is 1/(n+1), 2/(n+1) where two-sided.
        low, median, high: smallest, middle and largest control.
    """

    n: int
    p: float
    low: float
    median: float
    high: float


def compare_with_controls(estimate: float | int, controls: Float[np.ndarray, " control"], *, side: str) -> ControlComparison:
    """Rank test of one estimate in a control distribution: p = (1 + #{control >= estimate}) / (n + 1).

    Args:
        estimate: the method's statistic.
        controls: the same statistic for each control.
        side: "greater", "less", or "two-sided" (twice the smaller one, at most 1).

    Raises:
        DataError: no control, or an unknown side.
    """
    if controls.size == 0 or side not in ("greater", "less", "two-sided"):
        raise DataError(
            found=f"{controls.size} controls, side {side!r}",
            expected="at least one control; side 'greater', 'less' or 'two-sided'",
            where="a comparison with controls",
        )
    upper = (1 + (controls >= estimate).sum()) / (controls.size + 1)
    lower = (1 + (controls <= estimate).sum()) / (controls.size + 1)
    p = {"greater": upper, "less": lower, "two-sided": min(1.0, 2 * min(upper, lower))}[side]
    return ControlComparison(
        int(controls.size), float(p), float(controls.min()), float(np.median(controls)), float(controls.max())
    )
