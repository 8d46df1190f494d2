"""How many benchmark items a model takes, from the registry's row counts."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.registry.entry import Entry

ITEM_TOKENS = {True: 30, False: 250}
"""Tokens read for an item with all its choices, by whether the model is the organism's: rough, and not told apart by task."""

MMLU_SUBJECTS = 57
"""lm-eval tasks behind ``mmlu``, each with a limit of its own (Hendrycks et al. 2021, section 3)."""

SHARES = {"select": 0.25, "test": 0.75}
"""How published items are parted between the phases (``anatomy.stages.utility.phase_items``)."""


def benchmark_items(config: Config, subject: Subject, phase: str, entries: Mapping[str, Entry]) -> int:
    """Items of one benchmarked variant in a phase, at most."""
    wanted = config.benchmarks
    limit = wanted.select_items if phase == "select" else wanted.test_items
    if subject.is_organism:
        return limit * len(wanted.organism_tasks)
    if wanted.data is None:
        return 0
    return sum(_items(task, limit, phase, entries) for task in wanted.tasks if task not in wanted.left_out)


def _items(task: str, limit: int, phase: str, entries: Mapping[str, Entry]) -> int:
    """Of one task; the limit where the registry does not know how many items there are."""
    tasks = MMLU_SUBJECTS if task == "mmlu" else 1
    part = 1 if tasks > 1 or not task.startswith("mmlu_") else 1 / MMLU_SUBJECTS
    entry = next((entry for entry in entries.values() if entry.serves(task)), None)
    rows = sum(file.rows or 0 for file in entry.files if file.split == entry.benchmark.evaluated) if entry else 0
    return min(limit * tasks, round(rows * part * SHARES[phase])) if rows else limit * tasks
