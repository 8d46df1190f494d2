"""The items of a task: what the store plans with, and what a constant or random answer would score."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.task import ConfigurableTask

from anatomy.errors import ConfigError, DataError
from anatomy.sources.benchmark_rows import Row
from anatomy.store.digest import digest
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a task.

    Attributes:
        index: its place in the evaluated split.
        item: digest of its content, the store's key of its row.
        id: the row's own ``id``, else the digest.
        group: what it was made from (the row's ``group``, else its id): items of one group are no independent draws.
    """

    index: int
    item: str
    id: str
    group: str


def plan(task: ConfigurableTask, limit: int | None = None) -> list[Item]:
    """Items in file order, the first ``limit`` of them; equal questions are told apart by their count."""
    seen: Counter[str] = Counter()
    items = []
    for index, document in enumerate(task.task_docs):
        if limit is not None and index >= limit:
            break
        content = document_digest(document)
        seen[content] += 1
        item = content if seen[content] == 1 else digest([content, seen[content]])
        name = str(document["id"]) if document.get("id") is not None else item
        items.append(Item(index, item, name, str(document["group"]) if document.get("group") is not None else name))
    return items


def document_digest(document: Row) -> str:
    """Digest of one processed row."""
    return digest(json.loads(json.dumps(document, default=str)))


def shots(task: ConfigurableTask, asked: int | None) -> int:
    """Solved examples shown before each question: those asked for, else the task's own number, else none.

    A task that fixes its number at 0 (it has its examples in the prompt) keeps 0, as in lm-eval.

    Raises:
        DataError: examples are asked for and would have to come from the questions themselves.
    """
    own = task.get_config("num_fewshot")
    number = 0 if own == 0 else (own or 0) if asked is None else asked
    configured = task.fewshot_cfg
    if number and configured.split is None and configured.samples is None and task.get_config("training_split") is None:
        raise DataError(
            found=f"{number} examples asked for and no split to take them from",
            where=f"task {task.task_name}",
            expected="a training or few-shot split",
            remedy="add its file, or ask for 0 examples",
        )
    return number


def task_key(task: ConfigurableTask, num_fewshot: int | None) -> JsonObject:
    """What shapes a row of this task besides the item: plain JSON, part of a store cell's key.

    The task's definition with the source files of its functions, the pool that examples are drawn from, and lm-eval's
    version; no path, so that a copy elsewhere keeps its rows.
    """
    number = shots(task, num_fewshot)
    left_out = {"custom_dataset", "dataset_path", "dataset_name", "dataset_kwargs", "metadata", "num_fewshot"}
    definition = {name: _described(value) for name, value in sorted(vars(task.config).items()) if name not in left_out}
    pool = [document_digest(document) for document in task.sampler.fewshot_docs()] if number else []
    return {
        "task": task.task_name,
        "shots": number,
        "definition": digest(definition),
        "pool": digest(pool),
        "lm_eval": version("lm_eval"),
    }


def _described(value: Any) -> Any:
    if callable(value):
        file = inspect.getsourcefile(value)
        return [getattr(value, "__qualname__", str(value)), Path(file).read_text() if file else ""]
    if isinstance(value, dict):
        return {str(key): _described(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(inner) for inner in value]
    if hasattr(value, "__dataclass_fields__"):
        return _described(vars(value))
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def chance(task: ConfigurableTask, metric: str, indices: Sequence[int] | None = None) -> float:
    """Expected score of a model that knows nothing of the answers.

    ``acc``, ``acc_norm``, ``mc1``: one out of the choices, averaged over items; where all items offer the same choices
    (letters, yes and no) a constant answer may do better, and then its score counts. ``mc2``: the share of true choices
    (column ``mc2_targets`` as in TruthfulQA, or ``labels``).

    Args:
        metric: a column of the samples table.
        indices: items meant; None takes all.

    Raises:
        ConfigError: a metric without a known chance level.
    """
    documents = [task.task_docs[index] for index in (range(len(task.task_docs)) if indices is None else indices)]
    choices = [task.doc_to_choice(document) for document in documents]
    if metric == "mc2":
        labels = [(document.get("mc2_targets") or document)["labels"] for document in documents]
        return float(np.mean([np.mean(own) for own in labels]))
    if metric not in ("acc", "acc_norm", "mc1"):
        raise ConfigError(found=f"metric {metric!r}", expected="acc, acc_norm, mc1 or mc2", where="chance level")
    uniform = float(np.mean([1 / len(own) for own in choices]))
    if any(own != choices[0] for own in choices):
        return uniform
    targets = Counter(target_index(task, document) for document in documents)
    return max(uniform, max(targets.values()) / len(documents))


def target_index(task: ConfigurableTask, document: Row) -> int:
    """Place of the right choice.

    Raises:
        DataError: the row names no choice, or several.
    """
    choices, target = task.doc_to_choice(document), task.doc_to_target(document)
    if isinstance(target, str):
        target = choices.index(target) if target in choices else int(target) if target.isdigit() else -1
    if not isinstance(target, (int, np.integer)) or not 0 <= target < len(choices):
        raise DataError(
            found=f"target {target!r}",
            expected=f"one of the {len(choices)} choices",
            where=f"task {task.task_name}, item {str(document)[:80]}",
        )
    return int(target)
