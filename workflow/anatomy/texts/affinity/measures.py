"""Affinities of one text: likelihood ratio, n-gram coverage, nearest human neighbour. All ours; higher is more human-like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from anatomy.errors import DataError, NumericsError
from anatomy.texts.affinity.ngram_model import NgramModel
from anatomy.texts.continuations.words import ngrams, words

Embed = Callable[[Sequence[str]], Float[np.ndarray, "text feature"]]
"""One vector a text."""


@runtime_checkable
class Affinity(Protocol):
    """Anything that gives each text a number, higher for more human-like; NaN where the text has too few words."""

    @property
    def name(self) -> str: ...

    def score(self, texts: Sequence[str]) -> Float[np.ndarray, " text"]: ...


@dataclass(frozen=True)
class LikelihoodRatio:
    """Mean log-ratio a word, in nats, between a model of human text of the domain and a general model."""

    human: NgramModel
    general: NgramModel
    name: str = "likelihood_ratio"

    def score(self, texts: Sequence[str]) -> Float[np.ndarray, " text"]:
        found = []
        for text in texts:
            if not text.strip():
                found.append(np.nan)
                continue
            (human, n), (general, _) = self.human.logprob(text), self.general.logprob(text)
            found.append((human - general) / n)
        return np.array(found, dtype=np.float64)


def fit_likelihood_ratio(human: Sequence[str], general: Sequence[str], order: int = 3) -> LikelihoodRatio:
    """Fit both models over one vocabulary.

    Args:
        human: held-out human text of the domain.
        general: everything else at hand: other domains, and texts of models (training split); the human text is added to it, so
            that the ratio compares the domain's human text with all text.
    """
    vocabulary = frozenset(word for text in (*human, *general) for word in words(text)) | {"</s>"}
    return LikelihoodRatio(NgramModel(human, order, vocabulary), NgramModel([*human, *general], order, vocabulary))


@dataclass(frozen=True)
class NgramCoverage:
    """Share of a text's n-grams that occur anywhere in the human reference."""

    seen: frozenset[tuple[str, ...]]
    n: int
    name: str = "ngram_coverage"

    def score(self, texts: Sequence[str]) -> Float[np.ndarray, " text"]:
        found = []
        for text in texts:
            grams = ngrams(words(text), self.n)
            found.append(np.mean([gram in self.seen for gram in grams]) if grams else np.nan)
        return np.array(found, dtype=np.float64)


def fit_ngram_coverage(human: Sequence[str], n: int = 3) -> NgramCoverage:
    """The n-grams of a human reference.

    Raises:
        DataError: a reference without an n-gram.
    """
    seen = frozenset(gram for text in human for gram in ngrams(words(text), n))
    if not seen:
        raise DataError(found=f"no {n}-gram", expected="human texts that are long enough", where="n-gram coverage")
    return NgramCoverage(seen, n)


@dataclass(frozen=True)
class NearestNeighbour:
    """How near a text's closest human text is, against how near human texts are to each other: ``s / (s + d)``.

    ``d`` is the Euclidean distance to the nearest reference text, ``s`` the median of that distance among human texts of
    different groups: 1/2 is as near as humans are to each other, 1 a copy.
    """

    reference: Float[np.ndarray, "human feature"]
    scale: float
    embed: Embed
    name: str = "nearest_neighbour"

    def score(self, texts: Sequence[str]) -> Float[np.ndarray, " text"]:
        found = np.full(len(texts), np.nan)
        kept = [place for place, text in enumerate(texts) if text.strip()]
        if kept:
            vectors = finite(self.embed([texts[place] for place in kept]))
            found[kept] = self.scale / (self.scale + distances(vectors, self.reference).min(axis=1))
        return found


def fit_nearest_neighbour(human: Sequence[str], groups: Sequence[str], embed: Embed) -> NearestNeighbour:
    """A human reference in the space of ``embed``.

    Raises:
        DataError: fewer than two groups.
        NumericsError: vectors that are not finite, or human texts that all lie in one place.
    """
    names = np.asarray(groups, dtype=object)
    if len(set(groups)) < 2:
        raise DataError(found=f"{len(set(groups))} group of human texts", expected="at least 2", where="nearest neighbour")
    vectors = finite(embed(human))
    apart = np.where(names[:, None] == names[None, :], np.inf, distances(vectors, vectors))
    nearest = apart.min(axis=1)
    # Half of short human texts may be copies of each other; then the mean says how near the others are.
    scale = float(np.median(nearest)) or float(nearest.mean())
    if scale == 0:
        raise NumericsError(found="human texts in one place", expected="vectors that differ", where="nearest neighbour")
    return NearestNeighbour(vectors, scale, embed)


def distances(
    left: Float[np.ndarray, "row feature"], right: Float[np.ndarray, "column feature"]
) -> Float[np.ndarray, "row column"]:
    """Euclidean distances."""
    from scipy.spatial.distance import cdist

    return cdist(left, right)


def finite(vectors: Float[np.ndarray, "text feature"]) -> Float[np.ndarray, "text feature"]:
    """The vectors in fp64, unless one of them is no number."""
    if wrong := int((~np.isfinite(vectors)).any(axis=1).sum()):
        raise NumericsError(
            found=f"{wrong} vectors that are not finite",
            expected="finite features",
            where="text features",
            remedy="embed in float32",
        )
    return np.asarray(vectors, dtype=np.float64)
