"""How the searches in a model of one's own began and ended, read for the first screen of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from anatomy.stages.paper_report import Files
from anatomy.store.files import read_json, read_table


@dataclass(frozen=True)
class Search:
    """One model's.

    Attributes:
        tokens: its refusal tokens and what they are from (``anatomy.stages.own_answers``).
        asked: prompts that it answered before anything was edited, by (set, phase).
        picks: candidates that answers were generated with, a reason for each family (``picks.parquet``).
    """

    tokens: Mapping[str, Any]
    asked: Mapping[tuple[str, str], int]
    picks: pd.DataFrame


def read_searches(files: Files) -> dict[str, Search]:
    """Of every model of one's own, by its id."""
    answers = {file.parent.name: file for file in files.get("own_answers", [])}
    picks = {file.parent.name: file for file in files.get("picked_edits", [])}
    found = {}
    for file in files.get("refusal_tokens", []):
        model = file.parent.name
        asked = read_table(answers[model], ["set", "phase"]).groupby(["set", "phase"]).size()
        counts = {(str(name), str(phase)): int(number) for (name, phase), number in asked.items()}
        found[model] = Search(read_json(file), counts, read_table(picks[model]))
    return found
