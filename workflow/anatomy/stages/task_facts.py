"""What benchmarks asked of a model in a phase: ``tasks.json``, beside the table of samples."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from anatomy.store.files import read_json
from anatomy.store.json_objects import checked_list


class TaskFacts(TypedDict):
    """A task as it was asked: the metric it is read by, how many items, and what guessing scores on them."""

    task: str
    metric: str
    items: int
    chance: float


def read_tasks(path: Path) -> list[TaskFacts]:
    """The tasks of one job.

    Raises:
        StoreError: no list of tasks, or a field of one is missing or unknown.
    """
    return checked_list(TaskFacts, read_json(path), "a task", str(path))
