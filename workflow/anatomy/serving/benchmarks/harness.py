"""Run lm-eval's own evaluation on one variant and keep what each item scored; ``variants`` does the same for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pandas as pd
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate as lm_eval_evaluate

from anatomy.serving.benchmarks.items import plan, shots
from anatomy.serving.benchmarks.requests import prepared, wanted_items
from anatomy.serving.benchmarks.sample_rows import SampleRow, sample_row, samples_frame

PINS: tuple[str, ...] = ("lm_eval", "torch", "transformers")
NOT_PINNED = {"vllm": "rows of an engine begin at anatomy.stages.utility, which pins it"}


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
    wanted = wanted_items(tasks, indices, limit)
    if not wanted:
        return samples_frame([])
    asked = {name: tasks[name] for name in wanted}
    with ExitStack() as examples:
        for task in asked.values():
            examples.enter_context(prepared(task, shots(task, num_fewshot), fewshot_seed))
        results = lm_eval_evaluate(
            lm=lm,
            task_dict={"tasks": asked, "groups": {}, "group_map": {}},
            samples=wanted,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=chat_template,
            system_instruction=system,
            fewshot_as_multiturn=chat_template,
        )
    return samples_frame([row for name in wanted for row in _rows(tasks[name], results["samples"][name])])


def _rows(task: ConfigurableTask, samples: Sequence[Mapping[str, Any]]) -> list[SampleRow]:
    items = {item.index: item for item in plan(task)}
    return [
        sample_row(
            task,
            items[sample["doc_id"]],
            sample["doc"],
            sample["filtered_resps"],
            {metric: sample[metric] for metric in sample["metrics"]},
        )
        for sample in sorted(samples, key=lambda sample: sample["doc_id"])
    ]
