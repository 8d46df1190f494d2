"""When two prompts say the same: normal wording, and the overlap of character shingles."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil

from anatomy.progress.counting import counted

SHINGLE = 5


def normal_wording(text: str) -> str:
    """Return the text in NFKC and lower case, without punctuation or symbols, single spaces between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = [ch if unicodedata.category(ch)[0] in "LNM" else " " for ch in folded]
    # A text of symbols alone keeps them: otherwise all such texts would be one.
    return " ".join("".join(kept).split()) or " ".join(folded.split())


def shingles(text: str, length: int = SHINGLE) -> frozenset[str]:
    """Return the character n-grams of the normal wording, with a space at both ends."""
    padded = f" {normal_wording(text)} "
    return frozenset(padded[i : i + length] for i in range(max(1, len(padded) - length + 1)))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Return |A and B| / |A or B|, in [0, 1]."""
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


def similar_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int, float]]:
    """Find all pairs of texts whose shingles have a Jaccard similarity of at least `threshold`; exact.

    Prefix filtering (Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007): with shingles ordered from rare
    to frequent, a pair at or above t must share one of the first n - ceil(t n) + 1, so only those are indexed.

    Args:
        texts: prompts.
        threshold: in (0, 1].

    Returns:
        (i, j, similarity) with i < j, sorted.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], found {threshold}")
    sets = [shingles(text) for text in texts]
    counts = Counter(shingle for items in sets for shingle in items)
    index: dict[str, list[int]] = defaultdict(list)
    pairs = []
    # The slack keeps pairs that sit on the threshold: 0.8 * 5 is not always 4 in floating point.
    for j in counted(range(len(sets)), "near-duplicates looked for", len(sets)):
        items = sorted(sets[j], key=lambda shingle: (counts[shingle], shingle))
        prefix = items[: len(items) - ceil(threshold * len(items) - 1e-9) + 1]
        candidates = {i for shingle in prefix for i in index[shingle]}
        for i in candidates:
            small, large = sorted((len(sets[i]), len(sets[j])))
            if small >= threshold * large - 1e-9:
                similarity = jaccard(sets[i], sets[j])
                if similarity >= threshold - 1e-12:
                    pairs.append((i, j, similarity))
        for shingle in prefix:
            index[shingle].append(j)
    return sorted(pairs)
