"""How many prompts a run reads, as far as that is known before it starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.config.subjects import Phase, PromptSet
from anatomy.costs.lengths import Lengths, lengths
from anatomy.errors import AnatomyError, StoreError
from anatomy.sources.registry.entry import Entry
from anatomy.store.files import read_table

PHASES: tuple[Phase, ...] = ("fit", "select", "test")


@dataclass(frozen=True)
class PromptCounts:
    """Prompts by set and phase.

    Attributes:
        rows: set to phase to prompts; sets of which nothing is known are absent.
        lengths: of rendered prompts.
    """

    rows: Mapping[str, Mapping[str, int]]
    lengths: Lengths

    @property
    def tokens(self) -> float:
        """Mean length of a rendered prompt."""
        return self.lengths.tokens

    def of(self, name: str, phase: str, limit: int) -> int:
        """Prompts that a phase reads of a set, at most; the limit where the set is not known."""
        return min(limit, self.rows[name].get(phase, 0)) if name in self.rows else limit

    def total(self, names: Iterable[str], phase: str, limit: int) -> int:
        return sum(self.of(name, phase, limit) for name in names)

    @classmethod
    def of_tables(cls, tables: Mapping[str, pd.DataFrame], lengths: Lengths) -> PromptCounts:
        """From prepared tables with a ``split`` column."""
        return cls(
            {name: {phase: int((table["split"] == phase).sum()) for phase in PHASES} for name, table in tables.items()}, lengths
        )

    @classmethod
    def of_texts(cls, texts: Mapping[str, Sequence[str]], lengths: Lengths) -> PromptCounts:
        """From texts whose phase is not known: each may fall into any."""
        return cls({name: dict.fromkeys(PHASES, len(prompts)) for name, prompts in texts.items()}, lengths)


def planned_prompts(config: Config, subject: Subject, entries: Mapping[str, Entry], *, tokenizers: bool = True) -> PromptCounts:
    """Counts of a run that has not started: from its prompt tables where an earlier job made them, else from a file of one's own
    as a job would prepare it, else from what the registry says of a published set. Lengths follow from the model's tokenizer
    where the model and texts are here.

    Args:
        entries: of the registry, by name.
        tokenizers: open the model's tokenizer where it is here.
    """
    at = Layout(config.results)
    names = dict.fromkeys([*config.evaluation.test_sets, config.extraction.harmful, config.extraction.harmless])
    rows: dict[str, Mapping[str, int]] = {}
    texts: list[str] = []
    for name in names:
        own = not subject.is_organism and name in config.prompt_sets
        table = _table(Path(at.prompts(subject, name)))
        if table is None and own and config.prompt_sets[name].dataset is None:
            table = _prepared(name, config.prompt_sets[name].model_dump_json())
        if table is not None:
            rows[name] = {phase: int((table["split"] == phase).sum()) for phase in PHASES}
            texts += list(table["prompt"])
        elif own and (known := published(config.prompt_sets[name], entries)):
            rows[name] = known
    return PromptCounts(rows, lengths(config, subject, texts, model_folder(config, subject) if tokenizers else None))


def model_folder(config: Config, subject: Subject) -> Path | None:
    """Where a model of one's own lies; None for members of the organism and models that are not here."""
    source = config.models.get(subject.id)
    if source is None:
        return None
    from anatomy.sources.registry.own_models import folder_here

    try:
        folder = folder_here(config, subject.id, source)
    except (AnatomyError, OSError):
        return None
    return folder if folder.is_dir() else None


@cache
def _prepared(name: str, source: str) -> pd.DataFrame | None:
    """One's own file as its job would prepare it; None where that job will say what is wrong with it.

    Args:
        source: its entry in the configuration, as JSON: every model of a plan reads the same sets.
    """
    from anatomy.stages.prompt_set import prepare

    with TemporaryDirectory() as folder:
        try:
            prepare(name, json.loads(source), Path(folder) / "set.parquet", lambda text: None)
            return read_table(Path(folder) / "set.parquet", ["prompt", "split"])
        except (AnatomyError, OSError):
            return None


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
