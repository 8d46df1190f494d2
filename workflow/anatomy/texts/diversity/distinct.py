"""Distinct-n (Li et al. 2016, arXiv 1510.03055, section 5): different n-grams over all n-grams of a set of texts."""

from __future__ import annotations

from collections.abc import Sequence

from anatomy.texts.continuations.words import ngrams, words


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Share of n-grams that are different; higher is more diverse. NaN without an n-gram.

    It falls with the number of words: compare sets cut to one length (``anatomy.texts.diversity.length.first_words``).
    """
    found = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(found)) / len(found) if found else float("nan")
