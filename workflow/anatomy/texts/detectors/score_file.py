"""Scores of a closed detector (Pangram, GPTZero, Originality), from a file that its user brings.

Nothing here calls a service. A row names its text by ``digest`` (``text_digest``) or holds the ``text`` itself, so that a score
can never stand for a text that has changed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anatomy.errors import DataError
from anatomy.sources.prompts.formats import read_rows
from anatomy.texts.detectors.detection import MISSING, NAN, Detection

THRESHOLD = 0.5
"""PASTA's decision on the closed detectors' probabilities."""


def text_digest(text: str) -> str:
    """SHA-256 of a text without blanks around it, in hexadecimal: what a score file calls the text."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


@dataclass(frozen=True)
class ScoreFile:
    """Scores in [0, 1], higher for more machine-like, by digest of the text."""

    name: str
    scores: Mapping[str, float]
    threshold: float = THRESHOLD

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """One detection a text; a text without a score, or with an empty one, is excluded as missing."""
        found = []
        for text in texts:
            score = self.scores.get(text_digest(text), NAN)
            found.append(Detection(NAN, excluded=MISSING) if np.isnan(score) else Detection(score, score, score > self.threshold))
        return found


def read_score_file(path: Path, name: str, *, column: str = "score", threshold: float = THRESHOLD) -> ScoreFile:
    """Read a score file (CSV, TSV, JSONL, JSON, Parquet) with ``digest`` or ``text``, and the score's column.

    Raises:
        DataError: an unreadable file, columns it lacks, a score outside [0, 1] or that is no number, or a text with two scores.
    """
    scores: dict[str, float] = {}
    for place, row in read_rows(Path(path)):
        where = f"{path}, {place}"
        if column not in row or not (row.get("digest") or row.get("text")):
            raise DataError(found=f"columns {sorted(row)}", expected=f"{column!r}, and 'digest' or 'text'", where=where)
        key = str(row["digest"]) if row.get("digest") else text_digest(str(row["text"]))
        value = _number(row[column], where)
        if key in scores and not (scores[key] == value or (np.isnan(scores[key]) and np.isnan(value))):
            raise DataError(
                found=f"scores {scores[key]} and {value} for one text",
                expected="one score a text",
                where=where,
                remedy="remove one: scores of another version of the detector belong in another file",
            )
        scores[key] = value
    return ScoreFile(name, scores, threshold)


def _number(value: Any, where: str) -> float:
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return NAN
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = NAN
    if not 0 <= number <= 1:
        raise DataError(
            found=f"a score of {value!r}",
            expected="a number in [0, 1], or nothing where the service gave none",
            where=where,
            remedy="rescale percentages; a detector's failure is an empty cell",
        )
    return number
