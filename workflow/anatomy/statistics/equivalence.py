"""Tests of "kept", "unchanged" and "preserved": an interval against a margin declared beforehand."""

import numpy as np

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample
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


def equivalence_p(difference: Difference, sample: Sample, margin: float | int, *, side: str) -> float:
    """Two one-sided tests (Schuirmann 1987) on the bootstrap distribution: the larger share beyond either margin.

    Where nothing varied, the chance of seeing no change in that many clusters if a share `margin` of them changed,
    (1 - margin) ** clusters, is used instead.
    """
    draws = difference.draws
    if np.ptp(draws) == 0:
        inside = abs(difference.interval.estimate) < margin or (
            side == "lower" and difference.interval.estimate > -margin
        )
        return float((1 - min(margin, 1.0)) ** sample.clusters) if inside else 1.0
    below = (1 + (draws <= -margin).sum()) / (draws.size + 1)
    above = (1 + (draws >= margin).sum()) / (draws.size + 1) if side == "both" else 0.0
    return float(max(below, above))


def exceedance_p(difference: Difference, sample: Sample, threshold: float | int) -> float:
    """One-sided bootstrap p that a difference does not exceed a threshold: (1 + #{draw <= threshold}) / (B + 1).

    Where nothing varied: as in `equivalence_p`, with the distance to the threshold as the share that went unseen.
    """
    draws = difference.draws
    if np.ptp(draws) == 0:
        distance = difference.interval.estimate - threshold
        return float((1 - min(distance, 1.0)) ** sample.clusters) if distance > 0 else 1.0
    return float((1 + (draws <= threshold).sum()) / (draws.size + 1))
