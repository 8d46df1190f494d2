"""Confidence intervals of rates and means."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample, bootstrap_difference


@dataclass(frozen=True)
class Interval:
    """An estimate between two bounds; `n` items in `clusters` clusters."""

    estimate: float
    low: float
    high: float
    n: int
    clusters: int


def wilson_interval(successes: float | int, n: int, confidence: float) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927, without continuity correction).

    `successes` may be fractional where several samples of one item are averaged.

    Raises:
        DataError: n is not positive or successes lie outside [0, n].
    """
    if n <= 0 or not 0 <= successes <= n:
        raise DataError(found=f"{successes} successes of {n}", expected="0 <= successes <= n, n >= 1", where="a Wilson interval")
    z = float(norm.ppf(0.5 + confidence / 2))
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # the bounds of 0 of n and n of n are exactly 0 and 1; rounding may miss them by one bit
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(rate, low, high, n, n)


def percentile_bounds(draws: Float[np.ndarray, " resample"], confidence: float) -> tuple[float, float]:
    """Equal-tailed percentile bounds of a bootstrap distribution (Efron 1981)."""
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def mean_interval(sample: Sample, *, confidence: float, seed: int, resamples: int) -> Interval:
    """Interval of a mean with clusters as the unit of resampling.

    A rate with one item a cluster gets the Wilson interval, any other mean the clustered bootstrap. A rate over
    clusters gets the wider of both: where events are rare a bootstrap knows only those it saw, down to no width at all.
    """
    wilson = None
    if sample.counted and not sample.signed:
        wilson = wilson_interval(sample.values.sum(), sample.n, confidence)
        if sample.clusters == sample.n:
            return wilson
    draws = bootstrap_difference(sample, None, seed=seed, resamples=resamples)
    low, high = percentile_bounds(draws, confidence)
    if wilson is not None:
        low, high = min(low, wilson.low), max(high, wilson.high)
    return Interval(sample.mean, low, high, sample.n, sample.clusters)
