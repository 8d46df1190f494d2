"""What each item scored, as rows and as the samples table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lm_eval.api.task import ConfigurableTask

from anatomy.errors import NumericsError
from anatomy.serving.benchmarks.items import Item, target_index
from anatomy.sources.benchmark_rows import Row

METRICS = ("acc", "acc_norm", "mc1", "mc2")
"""Columns every samples table has; NaN where a task does not know the metric."""

COLUMNS = ("task", "item", "id", "group", "target", "loglikelihoods", *METRICS)


SampleRow = dict[str, Any]
"""One row of the table of samples: ``COLUMNS``, and one column a metric that the task has."""


def sample_row(
    task: ConfigurableTask,
    item: Item,
    document: Row,
    responses: Sequence[tuple[float, bool]],
    metrics: Mapping[str, Any],
) -> SampleRow:
    """A row of the samples table.

    Raises:
        NumericsError: a metric is NaN.
    """
    row: SampleRow = {
        "task": task.task_name,
        "item": item.item,
        "id": item.id,
        "group": item.group,
        "target": target_index(task, document),
        "loglikelihoods": [float(logprob) for logprob, _greedy in responses],
    }
    scalars = [metric for metric, value in metrics.items() if np.isscalar(value)]
    row |= {metric_column(task.task_name, metric): float(metrics[metric]) for metric in scalars}
    broken = [name for name, value in row.items() if isinstance(value, float) and np.isnan(value)]
    if broken:
        raise NumericsError(
            found=f"{broken[0]} is NaN",
            expected="a number",
            where=f"{task.task_name}, item {item.id}",
            remedy="likelihoods so low that their probabilities are 0; leave the item out",
        )
    return row


def metric_column(task: str, metric: str) -> str:
    """Column of a metric: lm-eval calls TruthfulQA's mc1 and mc2 both ``acc`` and tells them apart by the task's name."""
    for ending in ("mc1", "mc2"):
        if metric == "acc" and task.endswith(ending):
            return ending
    return metric


def samples_frame(rows: Sequence[SampleRow]) -> pd.DataFrame:
    """Rows as a table with every column of ``COLUMNS`` first."""
    table = pd.DataFrame(rows)
    return table.reindex(columns=[*COLUMNS, *(column for column in table if column not in COLUMNS)])
