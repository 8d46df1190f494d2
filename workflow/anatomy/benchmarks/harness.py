"""Run lm-eval on one variant and keep what each item scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pandas as pd
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate as lm_eval_evaluate

from anatomy.benchmarks.items import document_digest, plan, shots, target_index
from anatomy.errors import DataError, NumericsError
from anatomy.serving.decoding import request_seed

METRICS = ("acc", "acc_norm", "mc1", "mc2")
"""Columns every samples table has; NaN where a task does not know the metric."""

COLUMNS = ("task", "item", "id", "group", "target", "loglikelihoods", *METRICS)


def evaluate(
    lm: LM,
    tasks: Mapping[str, ConfigurableTask],
    *,
    num_fewshot: int | None,
    fewshot_seed: int,
    indices: Mapping[str, Sequence[int]] | None = None,
    limit: int | None = None,
    chat_template: bool = False,
    system: str | None = None,
) -> pd.DataFrame:
    """Score items of tasks and return one row an item.

    Examples of a few-shot prompt are drawn anew for each item, from its content and the seed: in lm-eval they depend on
    which items came before, so that a row would change with the subset asked for. Tasks that take the first n of their
    pool (MMLU) are lm-eval's own to the letter.

    Args:
        lm: a variant, such as an ``EngineLM``.
        tasks: from ``folder_tasks`` or ``real_tasks``.
        num_fewshot: solved examples before each question; None takes each task's own number.
        fewshot_seed: of the drawing of examples.
        indices: for each task the items wanted (``Item.index``); tasks without any are passed over.
        limit: without ``indices``, the first items of each task.
        chat_template: whether prompts go through the model's chat template.
        system: system prompt.

    Returns:
        Columns ``task, item, id, group, target, loglikelihoods, acc, acc_norm, mc1, mc2`` and further scalar metrics of
        the tasks, in the order of tasks and items.

    Raises:
        DataError: an index outside its task, or examples asked for without a pool.
        NumericsError: a metric is NaN.
    """
    wanted = _wanted(tasks, indices, limit)
    if not wanted:
        return pd.DataFrame({column: [] for column in COLUMNS})
    asked = {name: tasks[name] for name in wanted}
    with ExitStack() as prepared:
        for task in asked.values():
            prepared.enter_context(_prepared(task, shots(task, num_fewshot), fewshot_seed))
        results = lm_eval_evaluate(
            lm=lm, task_dict={"tasks": asked, "groups": {}, "group_map": {}}, samples=wanted, bootstrap_iters=0,
            log_samples=True, apply_chat_template=chat_template, system_instruction=system,
            fewshot_as_multiturn=chat_template,
        )  # fmt: skip
    rows = [row for name in wanted for row in _rows(tasks[name], results["samples"][name])]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[*COLUMNS, *(column for column in table if column not in COLUMNS)])


def _wanted(tasks: Mapping[str, ConfigurableTask], indices: Mapping[str, Sequence[int]] | None,
            limit: int | None) -> dict[str, list[int]]:
    wanted = {}
    for name, task in tasks.items():
        total = len(task.task_docs)
        asked = range(min(limit or total, total)) if indices is None else indices.get(name, ())
        # Sorted and never empty: lm-eval pairs unsorted places with other items, and takes none for all.
        places = sorted(set(asked))
        if places and not 0 <= places[0] <= places[-1] < total:
            raise DataError(found=f"items {places[0]} to {places[-1]}", expected=f"0 to {total - 1}", where=f"task {name}")
        if places:
            wanted[name] = places
    return wanted


@contextmanager
def _prepared(task: ConfigurableTask, number: int, seed: int) -> Iterator[None]:
    """The task with this number of examples, drawn by item; afterwards as it was, so that its own number stays known."""
    own, context = task.get_config("num_fewshot"), task.fewshot_context

    def fewshot_context(document: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        if hasattr(task, "sampler"):
            task.sampler.set_rnd(request_seed(seed, document_digest(document), 0))
        return context(document, *arguments, **options)

    task.set_config("num_fewshot", number)
    task.fewshot_context = fewshot_context
    try:
        yield
    finally:
        task.set_config("num_fewshot", own)
        del task.fewshot_context


def _rows(task: ConfigurableTask, samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    items = {item.index: item for item in plan(task)}
    rows = []
    for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
        item = items[sample["doc_id"]]
        row: dict[str, Any] = {
            "task": task.task_name, "item": item.item, "id": item.id, "group": item.group,
            "target": target_index(task, sample["doc"]),
            "loglikelihoods": [float(logprob) for logprob, _greedy in sample["filtered_resps"]],
        }  # fmt: skip
        for metric in sample["metrics"]:
            if np.isscalar(sample[metric]):
                row[metric_column(task.task_name, metric)] = float(sample[metric])
        broken = [name for name, value in row.items() if isinstance(value, float) and np.isnan(value)]
        if broken:
            raise NumericsError(found=f"{broken[0]} is NaN", expected="a number", where=f"{task.task_name}, item {item.id}",
                                remedy="likelihoods so low that their probabilities are 0; leave the item out")
        rows.append(row)
    return rows


def metric_column(task: str, metric: str) -> str:
    """Column of a metric: lm-eval calls TruthfulQA's mc1 and mc2 both ``acc`` and tells them apart by the task's name."""
    for ending in ("mc1", "mc2"):
        if metric == "acc" and task.endswith(ending):
            return ending
    return metric
