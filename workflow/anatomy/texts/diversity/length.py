"""Length of texts, and texts cut to one length."""

from __future__ import annotations

import re

from anatomy.texts.continuations.words import words


def word_count(text: str) -> int:
    """Words, without signs."""
    return sum(word[0].isalnum() for word in words(text))


def sentence_count(text: str) -> int:
    """Sentences: stretches with a word in them that a full stop, question or exclamation mark ends, or the text."""
    return sum(bool(re.search(r"\w", part)) for part in re.split(r"(?<=[.!?])\s+", text.strip()))


def first_words(text: str, n: int) -> str:
    """The beginning of a text, of n words with blanks between them: for measures that depend on length."""
    return " ".join(text.split()[:n])
