"""Differences of rates: the same items under two variants, or two sets of items under one.

A paired difference is a `Sample` of per-item differences, so that one function serves both: pass `against=None`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample, bootstrap_difference, cluster_sums
from anatomy.statistics.intervals import Interval, percentile_bounds, wilson_interval


@dataclass(frozen=True)
class Difference:
    """A difference with its interval and its bootstrap distribution (used for tests against a margin)."""

    interval: Interval
    draws: np.ndarray


def difference_interval(
    sample: Sample, against: Sample | None, *, confidence: float, seed: int, resamples: int
) -> Difference:
    """mean(sample) - mean(against) with a percentile interval over resampled clusters.

    Where neither side varies at all (no item changed), a bootstrap has no width and would claim that nothing could
    ever change. Then the bounds are widened to what that many clusters can exclude: the Wilson bound on the share of
    clusters that differ without one having been seen (3.7 % at 100 clusters).
    """
    draws = bootstrap_difference(sample, against, seed=seed, resamples=resamples)
    estimate = sample.mean - (0.0 if against is None else against.mean)
    n = sample.n + (0 if against is None else against.n)
    clusters = sample.clusters if against is None else min(sample.clusters, against.clusters)
    low, high = percentile_bounds(draws, confidence)
    if np.ptp(sample.values) == 0 and (against is None or np.ptp(against.values) == 0):
        unseen = wilson_interval(0, clusters, confidence).high
        low, high = max(-1.0, estimate - unseen), min(1.0, estimate + unseen)
    return Difference(Interval(estimate, low, high, n, clusters), draws)


def mcnemar_exact(gained: int, lost: int, *, alternative: str) -> float:
    """Exact McNemar test on discordant pairs: `gained` went 0 to 1, `lost` went 1 to 0 (McNemar 1947, binomial form).

    `alternative` is "two-sided" or "greater" (more gained than lost). No discordant pair gives 1.
    """
    discordant = gained + lost
    if discordant == 0:
        return 1.0
    if alternative == "greater":
        return float(binom.sf(gained - 1, discordant, 0.5))
    if alternative == "two-sided":
        return float(min(1.0, 2 * binom.cdf(min(gained, lost), discordant, 0.5)))
    raise DataError(
        found=f"alternative {alternative!r}", expected="'greater' or 'two-sided'", where="an exact McNemar test"
    )


def sign_flip_p(sample: Sample, *, alternative: str, seed: int, resamples: int) -> float:
    """McNemar's exact test for clustered pairs: under the null the sign of each cluster's net change may be flipped.

    `sample` holds per-item differences (after - before). With one item a cluster and differences in {-1, 0, 1} this is
    the exact McNemar test. Whole-numbered net changes are enumerated exactly by convolution; others (continuous
    metrics, averaged samples) use `resamples` random sign flips, counting the observed one: (1 + #) / (resamples + 1).
    """
    codes, labels = pd.factorize(pd.Series(sample.groups))
    net, _ = cluster_sums(sample.values, codes.astype(np.int64), len(labels))
    net = net[np.abs(net) > 1e-12]
    if alternative not in ("greater", "two-sided"):
        raise DataError(
            found=f"alternative {alternative!r}", expected="'greater' or 'two-sided'", where="a sign-flip test"
        )
    if net.size == 0:
        return 1.0
    if np.allclose(net, np.rint(net), atol=1e-9):
        return _sign_flip_by_convolution(np.rint(net).astype(np.int64), alternative)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(resamples, net.size))
    flipped, observed = signs @ net, net.sum()
    # a relative slack, because the order of a floating-point sum differs between the two sides
    slack = 1e-9 * np.abs(net).sum()
    beyond = flipped >= observed - slack if alternative == "greater" else np.abs(flipped) >= abs(observed) - slack
    return float((1 + beyond.sum()) / (resamples + 1))


def _sign_flip_by_convolution(net: np.ndarray, alternative: str) -> float:
    """Exact p of sum(+-net): the law of the sum is a convolution of two-point laws at +-|net|."""
    law = np.ones(1)
    for size in np.abs(net):
        step = np.zeros(2 * int(size) + 1)
        step[0] = step[-1] = 0.5
        law = np.convolve(law, step)
    reach = int(np.abs(net).sum())
    sums = np.arange(-reach, reach + 1)
    observed = int(net.sum())
    beyond = sums >= observed if alternative == "greater" else np.abs(sums) >= abs(observed)
    return float(min(1.0, law[beyond].sum()))
