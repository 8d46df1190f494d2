"""Which of many texts are alike: the Jaccard similarity of their shingles, exact, for all pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from anatomy.progress.counting import counted
from anatomy.sources.prompts.wording import shingles

BLOCK = 256
FREQUENT_SHARE, MOST_FREQUENT = 1 / 8, 4096
"""Shingles that more than this share of the texts hold are counted by multiplying matrices, at most so many."""


def similar_rows(
    texts: Sequence[str], threshold: float
) -> Iterator[tuple[int, Int[np.ndarray, " hits"], Float[np.ndarray, " hits"]]]:
    """For each text the earlier ones whose shingles have a Jaccard similarity of at least ``threshold``, with the similarity.

    Memory stays at some 200 MB for 10,000 texts however alike they are; time grows with the square of their number.

    Args:
        texts: prompts.
        threshold: in (0, 1].

    Yields:
        (j, [i, ...], [similarity, ...]) with every i < j, in rising order of j and i; texts without hits are left out.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], found {threshold}")
    sets = [shingles(text) for text in texts]
    sizes = np.array([len(items) for items in sets])
    holders = Counter(shingle for items in sets for shingle in items)
    shared = sorted((shingle for shingle, number in holders.items() if number > 1), key=lambda one: (-holders[one], one))
    frequent = [shingle for shingle in shared[:MOST_FREQUENT] if holders[shingle] > FREQUENT_SHARE * len(sets)]
    number_of = {shingle: number for number, shingle in enumerate(frequent)}
    dense = np.zeros((len(sets), len(frequent)), dtype=np.float32)
    lists: dict[str, list[int]] = {shingle: [] for shingle in shared[len(frequent) :]}
    for row, items in enumerate(sets):
        dense[row, [number_of[shingle] for shingle in items if shingle in number_of]] = 1
        for shingle in items:
            if shingle in lists:
                lists[shingle].append(row)
    rare = {shingle: np.array(rows) for shingle, rows in lists.items()}
    common = np.zeros((0, 0), dtype=np.float32)
    for j in counted(range(len(sets)), "near-duplicates looked for", len(sets)):
        if j % BLOCK == 0:
            common = dense[j : j + BLOCK] @ dense[: j + BLOCK].T
        # Whole numbers far below 2^24, so that float32 counts them exactly.
        both = common[j % BLOCK, :j].astype(np.int64)
        where = [rare[shingle] for shingle in sets[j] if shingle in rare]
        if where:
            both += np.bincount(np.concatenate(where), minlength=len(sets))[:j]
        similarity = both / (sizes[j] + sizes[:j] - both)
        (hits,) = np.nonzero(similarity >= threshold - 1e-12)
        if len(hits):
            yield j, hits, similarity[hits]


def linking_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int, float]]:
    """Pairs of similar texts that link all of them which are alike, directly or through others: at most one a text.

    Returns:
        (i, j, similarity) with i < j, sorted; of the pairs that would link the same texts, the most similar one is taken.
    """
    cluster = np.arange(len(texts))
    pairs = []
    for j, hits, similarity in similar_rows(texts, threshold):
        order = np.lexsort((hits, -similarity))
        clusters, best = np.unique(cluster[hits[order]], return_index=True)
        pairs += [(int(hits[order[one]]), j, float(similarity[order[one]])) for one in best]
        cluster[np.isin(cluster, clusters)] = j
        cluster[j] = j
    return sorted(pairs)
