"""A word n-gram model: small enough to fit on a hundred texts, and no relative of the models under study.

Witten-Bell interpolation (Chen & Goodman 1999, section 2.6), down to a uniform distribution over the vocabulary and one more,
unknown word:

    p(w | h) = (c(h w) + N(h) p(w | h')) / (c(h) + N(h))

with ``N(h)`` the number of different words seen after the context ``h``, and ``h'`` the context without its first word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log

from anatomy.errors import DataError
from anatomy.texts.continuations.words import words

START, END = "<s>", "</s>"


class NgramModel:
    """Word n-gram model fitted on texts.

    Args:
        texts: what it is fitted on; the end of a text is a word.
        order: words of an n-gram.
        vocabulary: words that share the uniform distribution; None: those of the texts. Two models that are compared need one.

    Raises:
        DataError: no words.
    """

    def __init__(self, texts: Sequence[str], order: int, vocabulary: frozenset[str] | None = None) -> None:
        self.order = order
        tokens = [words(text) for text in texts]
        if not any(tokens):
            raise DataError(found="no words", expected="texts to fit on", where="an n-gram model")
        self.vocabulary = vocabulary or frozenset(word for text in tokens for word in text) | {END}
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._totals: Counter[tuple[str, ...]] = Counter()
        self._types: Counter[tuple[str, ...]] = Counter()
        for text in tokens:
            padded = [START] * (order - 1) + text + [END]
            for place in range(order - 1, len(padded)):
                for length in range(order):
                    context = tuple(padded[place - length : place])
                    gram = (*context, padded[place])
                    self._types[context] += gram not in self._counts
                    self._counts[gram] += 1
                    self._totals[context] += 1

    def logprob(self, text: str) -> tuple[float, int]:
        """Sum of log-probabilities (nats) of a text's words and its end, and how many they are."""
        padded = [START] * (self.order - 1) + words(text) + [END]
        places = range(self.order - 1, len(padded))
        chances = [self.probability(padded[place], tuple(padded[place - self.order + 1 : place])) for place in places]
        return sum(map(log, chances)), len(chances)

    def probability(self, word: str, context: tuple[str, ...]) -> float:
        """Probability of a word after a context; the probabilities of the vocabulary and one unknown word sum to 1."""
        chance = 1 / (len(self.vocabulary) + 1)
        for length in range(len(context) + 1):
            seen = context[len(context) - length :]
            total = self._totals[seen]
            if not total:
                break  # a longer context was not seen either
            chance = (self._counts[(*seen, word)] + self._types[seen] * chance) / (total + self._types[seen])
        return chance
