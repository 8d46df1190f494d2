"""What a prompt says apart from its spelling: normal wording, and the character shingles in it."""

from __future__ import annotations

import unicodedata

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
