"""Tests of "kept", "unchanged" and "preserved": an interval against a margin declared beforehand."""

from scipy.stats import norm

from anatomy.errors import DataError
from anatomy.statistics.intervals import Interval
from anatomy.statistics.paired import Difference


def place_in_margin(interval: Interval, margin: float | int, *, side: str) -> str:
    """Where an interval of a difference lies relative to a margin.

    Args:
        interval: of after - before.
        margin: positive, in the units of the metric.
        side: "both" asks for a change smaller than the margin in either direction; "lower" only for a fall smaller
            than it (non-inferiority).

    Returns:
        "inside" (kept), "outside" (changed by more than the margin), or "across" (undecided).

    Raises:
        DataError: the margin is not positive or the side unknown.
    """
    if not margin > 0 or side not in ("both", "lower"):
        raise DataError(
            found=f"margin {margin}, side {side!r}",
            expected="a positive margin; side 'both' or 'lower'",
            where="an equivalence test",
        )
    ceiling = margin if side == "both" else float("inf")
    if interval.low > -margin and interval.high < ceiling:
        return "inside"
    if interval.high < -margin or interval.low > ceiling:
        return "outside"
    return "across"


def exceedance_p(difference: Difference, threshold: float | int) -> float:
    """One-sided p of the null that a difference does not exceed a threshold.

    The larger of the bootstrap's, (1 + #{draw <= threshold}) / (B + 1), and the adjusted Wald test's, as in
    `difference_interval`.
    """
    draws = difference.draws
    p = (1 + (draws <= threshold).sum()) / (draws.size + 1)
    if difference.smoothed is not None:
        centre, error = difference.smoothed
        p = max(p, norm.sf((centre - threshold) / error))
    return float(p)


def equivalence_p(difference: Difference, margin: float | int, *, side: str) -> float:
    """Two one-sided tests (Schuirmann 1987): the larger p of not exceeding -margin and not staying below +margin."""
    fallen = exceedance_p(difference, -margin)
    if side == "lower":
        return fallen
    smoothed = difference.smoothed
    mirrored = Difference(difference.interval, -difference.draws, None if smoothed is None else (-smoothed[0], smoothed[1]))
    return max(fallen, exceedance_p(mirrored, -margin))
