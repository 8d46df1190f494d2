"""How alike two masks are, beside what random masks of their size have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.special import gammaln
from torch import Tensor

from anatomy.interventions.pruning.masks import Shapes, weights_in
from anatomy.interventions.pruning.ranking import Mask

RAREST = 1e-15
"""Probability of a number of shared weights below which nothing is said, matrix by matrix: the law of chance is cut there."""


@dataclass(frozen=True)
class Overlap:
    """How alike two masks are, and what random masks with as many weights in each matrix have.

    Attributes:
        jaccard: shared weights over all weights of both.
        expected: the mean of random masks; about q / (2 - q) for two of a fraction q.
        random_low, random_high: between which 95 % of pairs of random masks lie, at least.
        p_value: probability that random masks overlap at least as much; not below ``RAREST`` a matrix.
    """

    jaccard: float
    expected: float
    random_low: float
    random_high: float
    p_value: float


def overlap(one: Mask, two: Mask, shapes: Shapes, kept: Sequence[Mask] = ()) -> Overlap:
    """Jaccard index of two masks beside that of random masks of their size in every matrix.

    Weights that are preserved in one of them cannot be shared. Chance is asked among the others, given how many of these either
    mask has: two masks from which the same third of a matrix was taken out meet half as often again as two of the whole matrix.

    Random masks share a hypergeometric number of weights in a matrix; the law of the sum over matrices is their convolution, so
    that nothing is drawn, and a probability is small where it is small: many pairs can be corrected for.

    Args:
        kept: weights that were preserved in either.
    """
    sizes = {name: rows * columns for name, (rows, columns) in shapes.items()}
    shared = sum(int(torch.isin(one[name], two[name], assume_unique=True).sum()) for name in sizes)
    total = weights_in(one) + weights_in(two)
    if not total:
        return Overlap(0.0, 0.0, 0.0, 0.0, 1.0)
    counts = [_open(one[name], two[name], size, [mask[name] for mask in kept]) for name, size in sizes.items()]
    least, law = _shared_by_chance(counts)
    beyond = float(law[max(0, shared - least) :].sum())
    met = sum(first * second / size for first, second, size in counts if size)
    below = law.cumsum()
    low, high = (least + int(np.searchsorted(below, share)) for share in (0.025, 0.975))
    jaccard, expected, random_low, random_high = (count / (total - count) for count in (shared, met, low, high))
    return Overlap(jaccard, expected, random_low, random_high, min(1.0, max(beyond, RAREST * len(sizes))))


def _open(one: Tensor, two: Tensor, size: int, kept: Sequence[Tensor]) -> tuple[int, int, int]:
    """Of a matrix: weights of one mask, of the other, and of the matrix, that are preserved in neither."""
    taken = torch.cat([*kept, torch.empty(0, dtype=torch.int64)]).unique()
    first, second = (int((~torch.isin(places, taken, assume_unique=True)).sum()) for places in (one, two))
    return first, second, size - len(taken)


def _shared_by_chance(counts: Sequence[tuple[int, int, int]]) -> tuple[int, Float64[np.ndarray, " count"]]:
    """Law of how many places random masks share in all matrices: its smallest number, and probabilities from there on.

    Args:
        counts: by matrix: weights of one mask, of the other, and of the matrix.
    """
    least, law = 0, np.ones(1)
    for one, two, size in counts:
        if one and two:
            low, own = _hypergeometric(one, two, size)
            least, law = least + low, np.convolve(law, own)
    return least, law / law.sum()


def _hypergeometric(one: int, two: int, size: int) -> tuple[int, Float64[np.ndarray, " count"]]:
    """Law of how many places two random sets share, nine standard deviations and then some around its mean.

    As SciPy's ``hypergeom``, whose search for quantiles takes most of the time of large models.
    """
    mean = one * two / size
    wide = 9 * sqrt(mean * (1 - one / size) * (size - two) / max(1, size - 1)) + 40
    shared = np.arange(max(0, one + two - size, int(mean - wide)), min(one, two, int(mean + wide)) + 1)
    ways = (_binomials(one, shared), _binomials(size - one, two - shared), -_binomials(size, np.full(len(shared), two)))
    return int(shared[0]), np.exp(sum(ways))


def _binomials(n: int, k: Int64[np.ndarray, " count"]) -> Float64[np.ndarray, " count"]:
    """Logarithms of binomial coefficients."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
