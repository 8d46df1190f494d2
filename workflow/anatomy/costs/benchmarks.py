"""How many benchmark items a model takes, from the registry's row counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.sources.registry.entry import Entry

ITEM_TOKENS = {
    "mmlu": 105,
    "hellaswag": 170,
    "arc_easy": 45,
    "arc_challenge": 55,
    "boolq": 160,
    "rte": 90,
    "openbookqa": 40,
    "truthfulqa_mc1": 65,
    "truthfulqa_mc2": 85,
    "winogrande": 45,
}
"""Tokens read for an item with all its choices, the context once: means over published files under a tokenizer of 49,152 tokens;
those of BoolQ, RTE and OpenBookQA are assumed."""

OTHER_TOKENS, ORGANISM_TOKENS = 110, 30
"""The same of tasks not named above, and of the organism's."""

SHOT_TOKENS = 90
"""Of an example before the question, with its answer."""

MMLU_SUBJECTS = 57
"""lm-eval tasks behind ``mmlu``, each with a limit of its own (Hendrycks et al. 2021, section 3)."""

SHARES = {"select": 0.25, "test": 0.75}
"""How published items are parted between the phases (``anatomy.stages.utility.phase_items``)."""


@dataclass(frozen=True)
class Items:
    """Benchmark items and the tokens read for them."""

    count: int
    tokens: int

    def times(self, variants: int) -> Items:
        return Items(self.count * variants, self.tokens * variants)


NO_ITEMS = Items(0, 0)


def benchmark_items(config: Config, subject: Subject, phase: str, entries: Mapping[str, Entry]) -> Items:
    """Items of one benchmarked variant in a phase, at most."""
    wanted = config.benchmarks
    limit = wanted.select_items if phase == "select" else wanted.test_items
    if subject.is_organism:
        counts = {task: limit for task in wanted.organism_tasks}
    else:
        names = [] if wanted.data is None else [name for name in wanted.tasks if name not in wanted.left_out]
        counts = {task: _items(task, limit, phase, entries) for task in names}
    return Items(sum(counts.values()), sum(count * item_tokens(task, wanted.shots) for task, count in counts.items()))


def item_tokens(task: str, shots: int) -> int:
    """Tokens read for an item of a task."""
    if task.startswith("organism_"):
        return ORGANISM_TOKENS * (1 + shots)
    family = "mmlu" if task.startswith("mmlu_") else task
    return ITEM_TOKENS.get(family, OTHER_TOKENS) + shots * SHOT_TOKENS


def _items(task: str, limit: int, phase: str, entries: Mapping[str, Entry]) -> int:
    """Of one task; the limit where the registry does not know how many items there are."""
    tasks = MMLU_SUBJECTS if task == "mmlu" else 1
    part = 1 if tasks > 1 or not task.startswith("mmlu_") else 1 / MMLU_SUBJECTS
    entry = next((entry for entry in entries.values() if entry.serves(task)), None)
    rows = 0 if entry is None else sum(file.rows or 0 for file in entry.files if file.split == entry.layout.evaluated)
    return min(limit * tasks, round(rows * part * SHARES[phase])) if rows else limit * tasks
