"""Words and signs of a text: what n-gram measures count."""

from __future__ import annotations

import re

_WORD = re.compile(r"[\w']+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and single signs in lower case, in order; `don't` is one word."""
    return _WORD.findall(text.lower().replace("’", "'"))


def ngrams(tokens: list[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams in order, none where the text is shorter."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))
