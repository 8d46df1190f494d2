"""Compression ratio (Shaib et al. 2024, arXiv 2403.00553): bytes of a set of texts over bytes of its gzip."""

from __future__ import annotations

import gzip
from collections.abc import Sequence


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes before over bytes after; higher is more repetitive. NaN without text. It rises with the amount of text."""
    whole = "\n".join(text.strip() for text in texts if text.strip()).encode()
    # No name and no time in the header, so that the same texts always give the same number.
    return len(whole) / len(gzip.compress(whole, compresslevel=9, mtime=0)) if whole else float("nan")
