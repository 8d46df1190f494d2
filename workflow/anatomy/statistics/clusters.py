"""Outcomes of items that come in clusters, and the resampling of whole clusters.

Paraphrases, templates and samples of one source item are not independent. Every resampling here therefore draws
clusters (the `group` column), never rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from anatomy.errors import DataError, NumericsError

# resamples drawn at once; bounds memory at CHUNK x clusters counts
CHUNK = 1000


@dataclass(frozen=True)
class Sample:
    """One outcome an item, with the cluster it belongs to.

    Attributes:
        values: outcomes, fp64; rates are 0/1, differences lie in [-1, 1], other metrics as they are.
        groups: the cluster of each item, any hashable label.
        signed: whether the values are changes in [-1, 1] rather than outcomes in [0, 1].
        amounts: whether the values have a scale of their own, such as nats: then 0 everywhere counts no events.
        error: standard error of the mean that clusters do not show, such as that of controls drawn at random; 0 for none.
        freedom: its degrees of freedom.
    """

    values: Float[np.ndarray, " item"]
    groups: np.ndarray
    signed: bool = False
    amounts: bool = False
    error: float = 0.0
    freedom: float = inf

    def __post_init__(self) -> None:
        if len(self.values) == 0 or len(self.values) != len(self.groups):
            raise DataError(
                found=f"{len(self.values)} outcomes and {len(self.groups)} groups",
                expected="at least one outcome, and one group for each",
                where="a sample of outcomes",
            )
        if not np.isfinite(self.values).all():
            raise NumericsError(
                found=f"{int((~np.isfinite(self.values)).sum())} outcomes that are NaN or infinite",
                expected="finite outcomes",
                where=f"a sample of {len(self.values)} outcomes",
                remedy="drop items without an outcome before testing, and report how many",
            )

    @property
    def mean(self) -> float:
        """Mean over items (not over clusters)."""
        return float(self.values.mean())

    @property
    def counted(self) -> bool:
        """Whether the values are counts of events (0/1, or -1/0/1 where signed) rather than measurements."""
        return not self.amounts and bool(np.isin(self.values, (-1.0, 0.0, 1.0) if self.signed else (0.0, 1.0)).all())

    @property
    def n(self) -> int:
        """Number of items."""
        return len(self.values)

    @property
    def clusters(self) -> int:
        """Number of distinct groups."""
        return int(pd.unique(pd.Series(self.groups)).size)


def cluster_sums(
    values: Float[np.ndarray, " item"], codes: Int[np.ndarray, " item"], clusters: int
) -> tuple[Float[np.ndarray, " cluster"], Float[np.ndarray, " cluster"]]:
    """Sum of outcomes and number of items of each cluster; `codes` are cluster indices from 0."""
    return np.bincount(codes, values, clusters), np.bincount(codes, minlength=clusters).astype(np.float64)


def resample_weights(clusters: int, resamples: int, seed: int) -> Iterator[Float[np.ndarray, "resample cluster"]]:
    """How often each cluster is drawn in each bootstrap resample, in chunks that together hold `resamples` rows."""
    generator = np.random.default_rng(seed)
    even = np.full(clusters, 1.0 / clusters)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        yield generator.multinomial(clusters, even, size=rows).astype(np.float64)


def unseen_errors(sample: Sample, *, seed: int, resamples: int) -> Float[np.ndarray, " resample"]:
    """Draws of what a sample's mean errs by besides its clusters: ``error`` times Student's t with ``freedom`` degrees."""
    if sample.error == 0:
        return np.zeros(resamples)
    # Another stream than that of the clusters, which begins with the same seed.
    generator = np.random.default_rng([seed, 1])
    drawn = generator.standard_normal(resamples) if sample.freedom == inf else generator.standard_t(sample.freedom, resamples)
    return sample.error * drawn


def bootstrap_difference(sample: Sample, against: Sample | None, *, seed: int, resamples: int) -> Float[np.ndarray, " resample"]:
    """Bootstrap distribution of mean(sample) - mean(against), or of mean(sample) alone.

    Clusters of both samples are drawn together, so that a cluster with items on both sides (a harmful request and its
    harmless partner) stays together. A resample without any item on one side is left out. What clusters do not show
    (``Sample.error``) is drawn anew in each resample.
    """
    groups = sample.groups if against is None else np.concatenate([sample.groups, against.groups])
    codes, labels = pd.factorize(pd.Series(groups))
    codes, clusters = codes.astype(np.int64), len(labels)
    sums, counts = cluster_sums(sample.values, codes[: sample.n], clusters)
    other = None if against is None else cluster_sums(against.values, codes[sample.n :], clusters)
    besides = unseen_errors(sample, seed=seed, resamples=resamples)
    if against is not None:
        besides = besides - unseen_errors(against, seed=seed + 1, resamples=resamples)
    draws, start = [], 0
    for weights in resample_weights(clusters, resamples, seed):
        drawn, own = weights @ counts, besides[start : start + len(weights)]
        start += len(weights)
        if other is None:
            draws.append((weights @ sums) / drawn + own)
            continue
        drawn_other = weights @ other[1]
        both = (drawn > 0) & (drawn_other > 0)
        weights = weights[both]
        draws.append((weights @ sums) / drawn[both] - (weights @ other[0]) / drawn_other[both] + own[both])
    return np.concatenate(draws)
