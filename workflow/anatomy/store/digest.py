"""Digests: the same content always has the same name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

LENGTH = 20
"""Hexadecimal digits kept (80 bits): collisions stay negligible for any number of cells a disk can hold."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity are refused, since they have no canonical form.

    Raises:
        ValueError: the value holds NaN or infinity.
        TypeError: the value holds something JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """Digest of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:LENGTH]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, all 64 digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_digest(slug: str, value: Any) -> str:
    """``slug~8hex``: a name a person can read that is still unique to its content."""
    return f"{slug}~{digest(value)[:8]}"
