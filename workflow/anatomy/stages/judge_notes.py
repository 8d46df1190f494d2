"""What a model judge was asked of a pass and could not do: ``<pass>.<judge>.notes.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from anatomy.store.files import read_json
from anatomy.store.json_objects import checked_fields


class JudgeNotes(TypedDict):
    """Counts of what a judge was asked and could not do.

    Attributes:
        asked: completions asked about.
        withheld: texts that nobody may read.
        cut, too_long: answers cut to fit, and answers that did not fit.
        unended_reasoning: reasoning that never ended.
        parse_failures: of each verdict; the last two kinds are among them.
    """

    judge: str
    asked: int
    withheld: int
    cut: int
    too_long: int
    unended_reasoning: int
    parse_failures: dict[str, int]


def read_notes(path: Path) -> JudgeNotes:
    """The notes of one pass.

    Raises:
        StoreError: no JSON, or a field is missing or unknown.
    """
    return checked_fields(JudgeNotes, read_json(path), "the notes of a judge", str(path))
