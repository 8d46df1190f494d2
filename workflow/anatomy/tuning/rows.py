"""Rows of training: a prompt as its model is spoken to, the response behind it, and the end of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anatomy.config.tuning import TunedData
from anatomy.errors import DataError
from anatomy.models.rendering import Rendering, render
from anatomy.tuning.written_responses import refusal, styled


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        id: of its prompt, in its set.
        ids: tokens of prompt, response and end.
        answer: how many of them, at the end, are learned: the response and its end.
    """

    id: str
    ids: tuple[int, ...]
    answer: int


@dataclass(frozen=True)
class Rows:
    """Rows of each part of the data, in order; how many prompts had no response, and how many rows were too long."""

    parts: tuple[tuple[Row, ...], ...]
    unanswered: tuple[int, ...]
    left_out: tuple[int, ...]


def divided(tables: Mapping[str, pd.DataFrame], data: Sequence[TunedData], seed: int) -> list[pd.DataFrame]:
    """The prompts of each part: a set that several parts name is divided by their shares, whole groups to one part.

    Args:
        tables: prompt tables of one split by the name of their set.
    """
    found: list[pd.DataFrame] = []
    for part in data:
        table = tables[part.prompts]
        rivals = [other for other in data if other.prompts == part.prompts]
        groups = np.array(sorted(set(table["group"])), dtype=object)
        order = np.random.default_rng([seed, 1]).permutation(len(groups))
        bounds = np.cumsum([0.0, *(rival.share for rival in rivals)]) / sum(rival.share for rival in rivals)
        cuts = np.round(bounds * len(groups)).astype(int)
        place = rivals.index(part)
        mine = set(groups[order[cuts[place] : cuts[place + 1]]])
        found.append(table[table["group"].isin(mine)].reset_index(drop=True))
    return found


def answered(table: pd.DataFrame, part: TunedData) -> pd.DataFrame:
    """The prompts of a part that there is a response to: published sets have some empty answers.

    Raises:
        DataError: the set has no responses at all.
    """
    if part.responses == "refusal":
        return table
    own = table["response"] if "response" in table else pd.Series("", index=table.index)
    found = table[own.fillna("").astype(str).str.strip() != ""]
    if found.empty:
        raise DataError(
            found="no responses",
            expected=f"responses to its prompts, for responses: {part.responses}",
            where=f"prompt set {part.prompts}",
            remedy="map a column to response (columns: {output: response}), or take responses: refusal",
        )
    return found.reset_index(drop=True)


def responses(table: pd.DataFrame, part: TunedData, seed: int) -> list[str]:
    """The response to each prompt of a part, all of which are ``answered``."""
    if part.responses == "refusal":
        return [refusal(prompt, seed) for prompt in table["prompt"]]
    texts = table["response"].astype(str).tolist()
    if part.responses == "own":
        return texts
    return [styled(prompt, text, seed) for prompt, text in zip(table["prompt"], texts, strict=True)]


def make_rows(
    tokenizer: Any,
    rendering: Rendering,
    tables: Mapping[str, pd.DataFrame],
    data: Sequence[TunedData],
    *,
    end: int,
    longest: int,
    seed: int,
) -> Rows:
    """Rows of one split.

    Args:
        tables: prompt tables by the name of their set.
        end: token that ends an answer.
        longest: tokens of a row, at most.

    Raises:
        DataError: as ``answered``; a response without tokens; a part of which no row is left.
        ModelError: as ``render``.
    """
    parts, unanswered, left_out = [], [], []
    for part, every in zip(data, divided(tables, data, seed), strict=True):
        table = answered(every, part)
        prompts = render(tokenizer, table["prompt"].tolist(), rendering)
        texts = responses(table, part, seed)
        answers = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        rows = []
        for name, text, prompt, answer in zip(table["id"], texts, prompts, answers, strict=True):
            if not answer:
                raise DataError(
                    found=f"a response without tokens: {text!r}",
                    expected="at least one token to learn",
                    where=f"prompt {name} of prompt set {part.prompts}",
                    remedy="mend or leave out the row",
                )
            if len(prompt) + len(answer) + 1 <= longest:
                rows.append(Row(str(name), (*prompt, *answer, end), len(answer) + 1))
        if not rows:
            raise DataError(
                found=f"{len(table)} prompts, of which none gives a row of at most {longest} tokens",
                expected="at least one row to train on and one held out",
                where=f"prompt set {part.prompts} ({part.responses})",
                remedy="raise tuned.row_tokens, or give the set more prompts in the splits fit and select",
            )
        parts.append(tuple(rows))
        unanswered.append(len(every) - len(table))
        left_out.append(len(table) - len(rows))
    return Rows(tuple(parts), tuple(unanswered), tuple(left_out))


def plan_steps(
    parts: Sequence[Sequence[Row]], shares: Sequence[float], *, tokens: int, batch_tokens: int, seed: int
) -> list[list[Row]]:
    """The rows of every step, all known before the first: a training that goes on needs no state of a generator.

    The next row always comes from the part that is furthest behind its share of the tokens. A part that runs out is read again in
    a new order.

    Args:
        tokens: of the training: steps are added until there are so many.
        batch_tokens: of a step: rows are added until there are so many.
    """
    orders = [np.random.default_rng([seed, 2, number]) for number in range(len(parts))]
    queues: list[list[Row]] = [[] for _ in parts]
    taken = [0] * len(parts)
    steps: list[list[Row]] = []
    while sum(taken) < tokens:
        step: list[Row] = []
        while sum(len(row.ids) for row in step) < batch_tokens:
            behind = min(range(len(parts)), key=lambda number: (taken[number] / shares[number], number))
            if not queues[behind]:
                queues[behind] = [parts[behind][index] for index in orders[behind].permutation(len(parts[behind]))]
            row = queues[behind].pop()
            taken[behind] += len(row.ids)
            step.append(row)
        steps.append(step)
    return steps
