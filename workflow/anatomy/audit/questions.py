"""Benchmarks of an audit: items of lm-eval's tasks from local data, scored in every state of the model."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64
from lm_eval.api.task import ConfigurableTask

from anatomy.errors import DataError
from anatomy.models.loading import LoadedModel
from anatomy.serving.benchmarks.harness import evaluate
from anatomy.serving.benchmarks.items import plan
from anatomy.serving.benchmarks.tasks import MMLU, REAL, folder_tasks, real_tasks
from anatomy.serving.benchmarks.transformers_lm import transformers_lm
from anatomy.stages.utility import FEWSHOT_SEED, main_metric

BATCH = 16
"""Requests that are scored at once."""


@dataclass(frozen=True)
class Questions:
    """Items that every state of the model is asked.

    Attributes:
        tasks: by name.
        items: columns ``benchmark, task, index, item, group``; MMLU's subjects are one benchmark.
        shots: solved examples before each question.
    """

    tasks: Mapping[str, ConfigurableTask]
    items: pd.DataFrame
    shots: int

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks, in the order in which they were asked for."""
        return list(dict.fromkeys(self.items["benchmark"]))

    def groups(self, benchmark: str) -> np.ndarray:
        """The group of each item of a benchmark."""
        return self.items.loc[self.items["benchmark"] == benchmark, "group"].to_numpy(object)

    def scored(self, loaded: LoadedModel) -> dict[str, Float64[np.ndarray, " item"]]:
        """What each item scores with the model as it is now, by benchmark, by the metric that a task is read by."""
        indices = {str(task): sorted(rows["index"]) for task, rows in self.items.groupby("task")}
        with contextlib.redirect_stderr(io.StringIO()):  # the harness' bars, between the command's own lines
            table = evaluate(
                transformers_lm(loaded, BATCH), self.tasks, num_fewshot=self.shots, fewshot_seed=FEWSHOT_SEED, indices=indices
            )
        metric = [main_metric(_plain(task)) for task in table["task"]]
        values = [row[name] for row, name in zip(table.to_dict("records"), metric, strict=True)]
        score = dict(zip(zip(table["task"], table["item"], strict=True), values, strict=True))
        found = defaultdict(list)
        for row in self.items.itertuples():
            found[row.benchmark].append(score[row.task, row.item])
        return {name: np.array(own, dtype=np.float64) for name, own in found.items()}


def read_questions(data: Path, names: Sequence[str], limit: int, shots: int) -> Questions:
    """Items of tasks whose data lie in a folder, the same ones whatever is audited (by the digest of their content).

    Args:
        data: folder with lm-eval task files of one's own (``*.yaml``), or with local copies of published benchmarks, laid out as
            ``benchmarks.data`` of a configuration.
        names: tasks; none takes all whose data are there.
        limit: most items of a benchmark; of MMLU's subjects together.

    Raises:
        DataError: no data of any benchmark, or malformed ones.
        ConfigError: a name that is no benchmark there.
    """
    if list(data.glob("*.yaml")):
        tasks = folder_tasks(data, list(names) or None)
    else:
        here = [name for name, real in REAL.items() if (data / real.folder).is_dir()]
        here += [MMLU] if (data / MMLU).is_dir() else []
        tasks = real_tasks(list(names) or here, data)
    if not tasks:
        raise DataError(
            found="no benchmark",
            expected=f"lm-eval task files, or folders such as {', '.join(sorted({one.folder for one in REAL.values()}))}, {MMLU}",
            where=str(data),
            remedy="give the folder that benchmarks.data of a configuration names",
        )
    of_benchmark: defaultdict[str, list[str]] = defaultdict(list)
    for name in tasks:
        of_benchmark[MMLU if name.startswith(f"{MMLU}_") else name].append(name)
    parts = []
    for benchmark, own in of_benchmark.items():
        each = max(1, limit // len(own))
        for task in own:
            items = pd.DataFrame(plan(tasks[task])).sort_values("item").head(each)
            parts.append(items.assign(benchmark=benchmark, task=task))
    return Questions(tasks, pd.concat(parts, ignore_index=True), shots)


def _plain(task: str) -> str:
    """A task's name without what the organism's files for another phase end in."""
    return task.removesuffix("_select")
