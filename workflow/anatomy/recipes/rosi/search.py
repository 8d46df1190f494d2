"""How the searches in a model of one's own began, read for the first screen of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anatomy.stages.own_answers import RefusalTokensRecord, read_refusal_tokens
from anatomy.stages.paper_report import Files
from anatomy.store.files import read_table


@dataclass(frozen=True)
class Search:
    """One model's.

    Attributes:
        tokens: its refusal tokens and what they are from (``anatomy.stages.own_answers``).
        asked: prompts that it answered before anything was edited, by (set, phase).
    """

    tokens: RefusalTokensRecord
    asked: Mapping[tuple[str, str], int]


def read_searches(files: Files) -> dict[str, Search]:
    """Of every model of one's own, by its id."""
    tokens = {file.parent.name: file for file in files.get("refusal_tokens", [])}
    return {
        file.parent.name: Search(read_refusal_tokens(tokens[file.parent.name]), _counts(file))
        for file in files.get("own_answers", [])
    }


def _counts(file: Path) -> dict[tuple[str, str], int]:
    asked = read_table(file, ["set", "phase"]).groupby(["set", "phase"]).size()
    return {(str(name), str(phase)): int(number) for (name, phase), number in asked.items()}
