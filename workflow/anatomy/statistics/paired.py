"""Differences of rates: the same items under two variants, or two sets of items under one.

A paired difference is a `Sample` of per-item differences, so that one function serves both: pass `against=None`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample, bootstrap_difference, cluster_sums, resample_weights, unseen_errors
from anatomy.statistics.intervals import Interval, percentile_bounds


@dataclass(frozen=True)
class Difference:
    """A difference with what its tests need.

    Attributes:
        interval: the difference with its bounds.
        draws: bootstrap distribution.
        smoothed: centre and standard error of the adjusted interval; None where outcomes are measurements, not counts.
    """

    interval: Interval
    draws: Float[np.ndarray, " resample"]
    smoothed: tuple[float, float] | None


def difference_interval(sample: Sample, against: Sample | None, *, confidence: float, seed: int, resamples: int) -> Difference:
    """mean(sample) - mean(against): the wider of two intervals that fail in different places.

    The percentile interval over resampled clusters knows that items of a cluster go together. But it knows only events
    that it saw: with none it has no width, and with one or two it is too narrow. The adjusted Wald interval knows
    nothing of clusters, but stays honest about rare events: it adds one event of each kind before computing
    (Bonett & Price 2012, equation 6, for paired changes; Agresti & Caffo 2000, section 2, for two samples).
    """
    draws = bootstrap_difference(sample, against, seed=seed, resamples=resamples)
    estimate = sample.mean - (0.0 if against is None else against.mean)
    n = sample.n + (0 if against is None else against.n)
    clusters = sample.clusters if against is None else min(sample.clusters, against.clusters)
    low, high = percentile_bounds(draws, confidence)
    smoothed = None
    if np.ptp(draws) == 0 or (sample.counted and (against is None or against.counted)):
        centre, error = _smoothed(sample)
        if against is not None:
            other_centre, other_error = _smoothed(against)
            centre, error = centre - other_centre, float(np.hypot(error, other_error))
        half = float(norm.ppf(0.5 + confidence / 2)) * error
        most = max(1.0, _largest(sample) + (0.0 if against is None else _largest(against)))
        low, high = max(-most, min(low, centre - half)), min(most, max(high, centre + half))
        smoothed = (centre, error)
    return Difference(Interval(estimate, low, high, n, clusters), draws, smoothed)


def change_intervals(
    changes: Float[np.ndarray, "variant item"], groups: np.ndarray, *, confidence: float, seed: int, resamples: int
) -> list[Interval]:
    """``difference_interval`` of the same items under many variants at once, with one set of bootstrap draws for all.

    Args:
        changes: per-item changes in [-1, 1].
        groups: the cluster of each item.
    """
    codes, labels = pd.factorize(pd.Series(groups))
    codes, clusters = codes.astype(np.int64), len(labels)
    sums = np.stack([cluster_sums(values, codes, clusters)[0] for values in changes], 1)
    counts = np.bincount(codes, minlength=clusters).astype(np.float64)
    draws = np.concatenate([(w @ sums) / (w @ counts)[:, None] for w in resample_weights(clusters, resamples, seed)])
    found = []
    for number, values in enumerate(changes):
        sample = Sample(values, groups, signed=True)
        low, high = percentile_bounds(draws[:, number], confidence)
        if np.ptp(draws[:, number]) == 0 or sample.counted:
            centre, error = _smoothed(sample)
            half = float(norm.ppf(0.5 + confidence / 2)) * error
            most = max(1.0, _largest(sample))
            low, high = max(-most, min(low, centre - half)), min(most, max(high, centre + half))
        found.append(Interval(sample.mean, low, high, sample.n, clusters))
    return found


def _largest(sample: Sample) -> float:
    """The largest value that is no share or change of one, so that bounds of those are not put to it; 0 where all are."""
    largest = float(np.abs(sample.values).max())
    return largest if largest > 1.0 else 0.0


def _smoothed(sample: Sample) -> tuple[float, float]:
    """Mean and standard error after adding one event of each kind: -1 and +1 to changes, 0 and 1 to outcomes."""
    added = np.concatenate([sample.values, (-1.0, 1.0) if sample.signed else (0.0, 1.0)])
    return float(added.mean()), float(np.hypot(np.sqrt(added.var() / added.size), sample.error))


def sign_flip_p(sample: Sample, *, alternative: str, seed: int, resamples: int) -> float:
    """McNemar's exact test for clustered pairs: under the null the sign of each cluster's net change may be flipped.

    `sample` holds per-item differences (after - before). With one item a cluster and differences in {-1, 0, 1} this is
    the exact McNemar test. Whole-numbered net changes are enumerated exactly by convolution; others (continuous
    metrics, averaged samples) use `resamples` random sign flips, counting the observed one: (1 + #) / (resamples + 1).
    So do those with an error that clusters do not show (``Sample.error``), which is added to every flipped sum: under the
    null the observed one has it too.
    """
    codes, labels = pd.factorize(pd.Series(sample.groups))
    net, _ = cluster_sums(sample.values, codes.astype(np.int64), len(labels))
    net = net[np.abs(net) > 1e-12]
    if alternative not in ("greater", "two-sided"):
        raise DataError(found=f"alternative {alternative!r}", expected="'greater' or 'two-sided'", where="a sign-flip test")
    if net.size == 0:
        return 1.0
    if sample.error == 0 and np.allclose(net, np.rint(net), atol=1e-9):
        return _sign_flip_by_convolution(np.rint(net).astype(np.int64), alternative)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(resamples, net.size))
    flipped = signs @ net + sample.n * unseen_errors(sample, seed=seed, resamples=resamples)
    observed = net.sum()
    # a relative slack, because the order of a floating-point sum differs between the two sides
    slack = 1e-9 * np.abs(net).sum()
    beyond = flipped >= observed - slack if alternative == "greater" else np.abs(flipped) >= abs(observed) - slack
    return float((1 + beyond.sum()) / (resamples + 1))


def _sign_flip_by_convolution(net: np.ndarray, alternative: str) -> float:
    """Exact p of sum(+-net): the law of the sum is a convolution of two-point laws at +-|net|."""
    law: np.ndarray = np.ones(1)
    for size in np.abs(net):
        step = np.zeros(2 * int(size) + 1)
        step[0] = step[-1] = 0.5
        law = np.convolve(law, step)
    reach = int(np.abs(net).sum())
    sums = np.arange(-reach, reach + 1)
    observed = int(net.sum())
    beyond = sums >= observed if alternative == "greater" else np.abs(sums) >= abs(observed)
    return float(min(1.0, law[beyond].sum()))
