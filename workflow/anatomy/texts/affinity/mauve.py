"""MAUVE (Pillutla et al. 2021, arXiv 2102.01454): the area under the divergence frontier of two sets of texts.

The texts' vectors are quantised together by k-means; with ``P`` and ``Q`` the histograms of the human and the machine set and
``R_w = w P + (1 - w) Q``, the frontier is the curve of points

    (exp(-c KL(Q || R_w)), exp(-c KL(P || R_w))),   0 < w < 1,   from (1, 0) to (0, 1)

(equations 1 and 2, ``c = 5``, 25 mixtures, k = one tenth of the texts, as in the paper's appendix and package). 1 where the
histograms are equal, near 0 where they do not meet. The value depends on k and on the number of texts: compare only sets of one
size, with human halves as the ceiling.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from anatomy.errors import DataError
from anatomy.texts.affinity.measures import finite

SCALING, MIXTURES, VARIANCE = 5.0, 25, 0.9
TEXTS_A_CLUSTER = 10


def quantise(
    human: Float[np.ndarray, "human feature"],
    machine: Float[np.ndarray, "machine feature"],
    *,
    seed: int,
    clusters: int | None = None,
) -> tuple[Int[np.ndarray, " human"], Int[np.ndarray, " machine"], int]:
    """Cluster of each text, and how many clusters there are: unit length, PCA to 90 % of the variance, k-means.

    Raises:
        DataError: too few texts for two clusters.
        NumericsError: vectors that are not finite.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    vectors = normalize(np.concatenate([finite(human), finite(machine)]))
    wanted = clusters or max(2, min(len(human), len(machine)) // TEXTS_A_CLUSTER)
    if min(len(human), len(machine)) < wanted:
        raise DataError(
            found=f"{len(human)} human and {len(machine)} machine texts",
            expected=f"at least {wanted} of each",
            where="MAUVE",
            remedy="measure more texts or ask for fewer clusters",
        )
    reduced = PCA(n_components=VARIANCE, svd_solver="full").fit_transform(vectors)
    # Copies of one text are one point: more clusters than points cannot be filled.
    wanted = min(wanted, len(np.unique(reduced.round(9), axis=0)))
    labels = KMeans(wanted, n_init=5, max_iter=500, random_state=seed).fit_predict(reduced)
    return labels[: len(human)], labels[len(human) :], wanted


def frontier_area(p: Float[np.ndarray, " cluster"], q: Float[np.ndarray, " cluster"], scaling: float = SCALING) -> float:
    """Area under the divergence frontier of two histograms, mean of both ways of taking it."""
    points = [(1.0, 0.0)]  # w near 0: the mixture is Q
    for weight in np.linspace(1e-6, 1 - 1e-6, MIXTURES):
        mixed = weight * p + (1 - weight) * q
        points.append((float(np.exp(-scaling * _divergence(q, mixed))), float(np.exp(-scaling * _divergence(p, mixed)))))
    x, y = np.array([*points, (0.0, 1.0)]).T
    return float((abs(np.trapezoid(y, x)) + abs(np.trapezoid(x, y))) / 2)


def mauve(
    human: Int[np.ndarray, " human"], machine: Int[np.ndarray, " machine"], clusters: int, scaling: float = SCALING
) -> float:
    """MAUVE of two quantised sets."""
    p, q = (np.bincount(labels, minlength=clusters) / len(labels) for labels in (human, machine))
    return frontier_area(p, q, scaling)


def _divergence(p: Float[np.ndarray, " cluster"], r: Float[np.ndarray, " cluster"]) -> float:
    """Kullback-Leibler divergence in nats; ``r`` is positive wherever ``p`` is."""
    some = p > 0
    return float((p[some] * np.log(p[some] / r[some])).sum())
