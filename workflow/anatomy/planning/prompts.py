"""How many prompts a run reads, as far as that is known before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.config.subjects import PromptSet
from anatomy.errors import StoreError
from anatomy.registry.entry import Entry
from anatomy.store.files import read_table

PHASES = ("fit", "select", "test")
ASSUMED_TOKENS = 60.0
"""Mean length of a rendered prompt of which nothing is known: some 20 tokens of a request (AdvBench, Alpaca) and a template's
own. Jailbreak templates are several times longer."""
TEMPLATE_TOKENS, LETTERS = 20.0, 4.0
"""Tokens that a template adds, and letters of a token in English, where there is text but no tokenizer."""


@dataclass(frozen=True)
class PromptCounts:
    """Prompts by set and phase.

    Attributes:
        rows: set to phase to prompts; sets of which nothing is known are absent.
        tokens: mean length of a rendered prompt.
    """

    rows: Mapping[str, Mapping[str, int]]
    tokens: float

    def of(self, name: str, phase: str, limit: int) -> int:
        """Prompts that a phase reads of a set, at most; the limit where the set is not known."""
        return min(limit, self.rows[name].get(phase, 0)) if name in self.rows else limit

    def total(self, names: Iterable[str], phase: str, limit: int) -> int:
        return sum(self.of(name, phase, limit) for name in names)

    @classmethod
    def of_tables(cls, tables: Mapping[str, pd.DataFrame], tokens: float) -> PromptCounts:
        """From prepared tables with a ``split`` column."""
        return cls({name: {phase: int((table["split"] == phase).sum()) for phase in PHASES} for name, table in tables.items()},
                   tokens)

    @classmethod
    def of_texts(cls, texts: Mapping[str, Sequence[str]], tokens: float) -> PromptCounts:
        """From texts whose phase is not known: each may fall into any."""
        return cls({name: dict.fromkeys(PHASES, len(prompts)) for name, prompts in texts.items()}, tokens)


def planned_prompts(config: Config, subject: Subject, entries: Mapping[str, Entry]) -> PromptCounts:
    """Counts of a run that has not started: from its prompt tables where an earlier job made them, else from what the registry
    says of a published set; a file of one's own counts by the configuration's limits until it is prepared.

    Args:
        entries: of the registry, by name.
    """
    at = Layout(config.results)
    names = [*config.evaluation.test_sets, config.extraction.harmful, config.extraction.harmless]
    rows: dict[str, Mapping[str, int]] = {}
    letters = texts = 0
    for name in dict.fromkeys(names):
        table = _table(Path(at.prompts(subject, name)))
        if table is not None:
            rows[name] = {phase: int((table["split"] == phase).sum()) for phase in PHASES}
            letters, texts = letters + int(table["prompt"].str.len().sum()), texts + len(table)
        elif not subject.is_organism and name in config.prompt_sets and (known := published(config.prompt_sets[name], entries)):
            rows[name] = known
    return PromptCounts(rows, letters / texts / LETTERS + TEMPLATE_TOKENS if texts else ASSUMED_TOKENS)


def published(options: PromptSet, entries: Mapping[str, Entry]) -> dict[str, int] | None:
    """Rows a phase of a set of the registry: its published splits, or shares of all rows; None where it says nothing."""
    base, _, subset = (options.dataset or "").partition("/")
    if base not in entries:
        return None
    entry = entries[base]
    total = entry.subsets[subset].rows if subset else entry.rows
    by_split = {phase: sum(file.rows or 0 for file in entry.files if file.split == phase) for phase in PHASES}
    if options.published and not subset and any(by_split.values()):
        found = by_split
    elif total is not None:
        found = {phase: round(total * getattr(options.splits, phase)) for phase in PHASES}
    else:
        return None
    return {phase: min(count, options.limits.get(phase, count)) for phase, count in found.items()}


def _table(path: Path) -> pd.DataFrame | None:
    try:
        return read_table(path, ["prompt", "split"]) if path.exists() else None
    except StoreError:  # a damaged table is a job's to report
        return None
