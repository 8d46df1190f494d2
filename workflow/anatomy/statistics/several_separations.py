"""How well each of several numbers separates two classes of the same items."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from anatomy.statistics.clusters import resample_weights
from anatomy.statistics.intervals import Interval, percentile_bounds
from anatomy.statistics.separation import auroc


def won(scores: Float[np.ndarray, " item"], positive: Bool[np.ndarray, " item"]) -> Float[np.ndarray, "positive negative"]:
    """Whether each positive item scores above each negative one, half where they tie; the mean of all is the AUROC."""
    ones, zeros = scores[positive][:, None], scores[~positive]
    return (ones > zeros) + (ones == zeros) / 2


def auroc_intervals(
    scores: Float[np.ndarray, "row item"],
    positive: Bool[np.ndarray, "row item"],
    groups: np.ndarray,
    *,
    confidence: float,
    seed: int,
    resamples: int,
) -> list[Interval]:
    """``auroc_interval`` of several rows of scores of the same items, whose clusters are drawn once for all of them.

    With ``A[g, h]`` the pairs that a cluster's positive items win against another's negative ones, and ``N[g, h]`` all such
    pairs, a resample that draws cluster ``g`` ``w_g`` times has the AUROC ``w A w / w N w``.
    """
    codes, labels = pd.factorize(pd.Series(groups))
    weights = np.concatenate(list(resample_weights(len(labels), resamples, seed)))
    found = []
    for score, label in zip(scores, positive, strict=True):
        wins, pairs = _by_cluster(score, label, codes, len(labels))
        drawn = ((weights @ pairs) * weights).sum(1)
        kept = drawn > 0
        low, high = percentile_bounds(((weights @ wins) * weights).sum(1)[kept] / drawn[kept], confidence)
        found.append(Interval(auroc(score, label), low, high, int(score.size), len(labels)))
    return found


def _by_cluster(
    score: Float[np.ndarray, " item"], label: Bool[np.ndarray, " item"], codes: Int[np.ndarray, " item"], clusters: int
) -> tuple[Float[np.ndarray, "cluster cluster"], Float[np.ndarray, "cluster cluster"]]:
    """Pairs of a positive and a negative item that the positive one wins (ties half), and all pairs, by their clusters."""
    member = np.eye(clusters)[codes]
    ones, zeros = member[label], member[~label]
    return ones.T @ won(score, label) @ zeros, np.outer(ones.sum(0), zeros.sum(0))
