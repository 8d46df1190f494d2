"""How well one number separates two classes of items."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from anatomy.errors import DataError
from anatomy.statistics.clusters import resample_weights
from anatomy.statistics.intervals import Interval, percentile_bounds


def auroc(scores: Float[np.ndarray, " item"], positive: Bool[np.ndarray, " item"]) -> float:
    """Chance that a positive item scores above a negative one, ties counting half (Mann-Whitney U / n1 n0).

    Raises:
        DataError: one of the classes is empty.
    """
    ones = int(positive.sum())
    zeros = positive.size - ones
    if ones == 0 or zeros == 0:
        raise DataError(found=f"{ones} positive and {zeros} negative items", expected="both classes", where="an AUROC")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def auroc_interval(
    scores: Float[np.ndarray, " item"],
    positive: Bool[np.ndarray, " item"],
    groups: np.ndarray,
    *,
    confidence: float,
    seed: int,
    resamples: int,
) -> Interval:
    """AUROC with a percentile interval over resampled clusters; resamples that lose a class are left out."""
    codes, labels = pd.factorize(pd.Series(groups))
    order = np.argsort(scores, kind="stable")
    tie_starts = np.unique(scores[order], return_index=True)[1]
    draws = []
    for weights in resample_weights(len(labels), resamples, seed):
        weights = weights[:, codes[order]]
        ones, zeros = weights * positive[order], weights * ~positive[order]
        zero_blocks = np.add.reduceat(zeros, tie_starts, axis=1)
        one_blocks = np.add.reduceat(ones, tie_starts, axis=1)
        # weight of the negatives strictly below a block of ties, plus half of those inside it
        below = np.cumsum(zero_blocks, axis=1) - zero_blocks / 2
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        kept = pairs > 0
        draws.append((one_blocks * below).sum(axis=1)[kept] / pairs[kept])
    low, high = percentile_bounds(np.concatenate(draws), confidence)
    return Interval(auroc(scores, positive), low, high, int(scores.size), len(labels))
