"""Intervals of a number that a whole set of texts has: a divergence, a diversity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.stats import norm

from anatomy.errors import DataError, NumericsError
from anatomy.statistics.clusters import resample_weights
from anatomy.statistics.intervals import Interval, percentile_bounds

Statistic = Callable[[Int[np.ndarray, " row"]], float]
"""The number of the rows with these indices, which may repeat."""


def bootstrap_interval(groups: Sequence[str], statistic: Statistic, *, confidence: float, seed: int, resamples: int) -> Interval:
    """Percentile interval over resampled groups, for statistics that repeated rows do not distort (histograms, means)."""
    members = _members(groups)
    draws = []
    for weights in resample_weights(len(members), resamples, seed):
        for row in weights.astype(np.int64):
            draws.append(statistic(np.concatenate([np.tile(members[k], times) for k, times in enumerate(row) if times])))
    low, high = percentile_bounds(_finite(np.asarray(draws, dtype=np.float64)), confidence)
    return Interval(statistic(np.arange(len(groups))), low, high, len(groups), len(members))


def jackknife_interval(groups: Sequence[str], statistic: Statistic, *, confidence: float) -> Interval:
    """Normal interval from leaving out one group at a time (Efron & Stein 1981, delete-one jackknife).

    For statistics of which a bootstrap is biased because its resamples repeat rows: in a set with repeated texts fewer n-grams
    are distinct, more is compressed, and every repeated text is its own best reference.

    Raises:
        DataError: fewer than three groups.
    """
    members = _members(groups)
    n = len(members)
    if n < 3:
        raise DataError(found=f"{n} groups", expected="at least 3", where="a jackknife", remedy="measure more prefixes")
    everything = np.arange(len(groups))
    left = _finite(np.array([statistic(np.setdiff1d(everything, rows)) for rows in members], dtype=np.float64))
    error = sqrt((n - 1) / n * float(((left - left.mean()) ** 2).sum()))
    estimate, z = statistic(everything), float(norm.ppf(0.5 + confidence / 2))
    return Interval(estimate, estimate - z * error, estimate + z * error, len(groups), n)


def _members(groups: Sequence[str]) -> list[Int[np.ndarray, " row"]]:
    codes, labels = pd.factorize(pd.Series(list(groups)))
    if not len(labels):
        raise DataError(found="no texts", expected="at least one", where="a set of texts")
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise NumericsError(
            found=f"{int((~np.isfinite(values)).sum())} values that are not finite",
            expected="finite values",
            where="resamples of a set of texts",
            remedy="leave out texts without words",
        )
    return values
