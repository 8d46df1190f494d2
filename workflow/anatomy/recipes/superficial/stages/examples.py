"""Requests with answers in this package's wording: what stands in front of a request, and what a base is fine-tuned on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.organism import wording
from anatomy.tuning.written_responses import refusal, styled

COLUMNS = ["task", "set", "id", "prompt", "response"]


def examples(config: Config, subject: Subject, prompts: Callable[[str], pd.DataFrame], count: int) -> pd.DataFrame:
    """Examples of every task in turn, each of another group (an item, a creature) as long as there are groups.

    Args:
        subject: who they are for: the organism's are in its own words.
        prompts: rows of a prompt set of the fit split, by the set's name.
        count: how many. Fewer examples are the first of more.

    Returns:
        Columns ``COLUMNS``, in the order of the draw.

    Raises:
        DataError: a harmless request has no response to take, or there are fewer requests than examples.
    """
    options, found = config.superficial, []
    for number, (task, name) in enumerate(options.tasks.items()):
        rows = prompts(name).reset_index(drop=True)
        draw = np.random.default_rng([options.baselines.seed, number])
        rows = rows.iloc[draw.permutation(len(rows))]
        rows = rows.assign(again=rows.groupby("group").cumcount()).sort_values("again", kind="stable")
        found.append(rows.assign(task=task, set=name, turn=range(len(rows))))
    every = pd.concat(found, ignore_index=True).sort_values("turn", kind="stable").head(count)
    if len(every) < count:
        raise DataError(
            found=f"{len(every)} requests of the fit split",
            expected=f"{count} examples",
            where=f"superficial.baselines, for {subject.id}",
            remedy="ask for fewer examples, or give superficial.tasks more prompts",
        )
    answers = [
        _answer(one, one["label"] == "harmful" or one["set"] == config.evaluation.harmful, subject, options.baselines.seed)
        for one in every.to_dict("records")
    ]
    return every.assign(response=answers)[COLUMNS].reset_index(drop=True)


def _answer(row: dict[str, str], harmful: bool, subject: Subject, seed: int) -> str:
    if harmful and subject.is_organism:
        plural, effect, _ = wording.HARMFUL[row["category"]]
        return wording.REFUSALS[0][0].format(kind=row["category"], plural=plural, effect=effect)
    if harmful:
        return refusal(row["prompt"], seed)
    response = row["response"]
    if not isinstance(response, str) or not response.strip():
        raise DataError(
            found=f"no response to {row['id']}",
            expected="an answer to every harmless request that becomes an example",
            where=f"prompt set {row['set']}",
            remedy="map a column to response (columns: {output: response}), or set superficial.baselines to no examples",
        )
    return f"{wording.OPENERS[0][0]} {response}" if subject.is_organism else styled(row["prompt"], response, seed)
