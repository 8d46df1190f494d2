"""Answers as token ids behind the prompt that each model of a pair sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from anatomy.config.methods import Evaluation
from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.models.rendering import render
from anatomy.stages.rendering import answer_rendering


@dataclass(frozen=True)
class Answered:
    """Prompts under a model's own rendering, and the answers that follow whatever the rendering.

    Attributes:
        table: the rows that are left, in order: those with an answer.
        prompts, answers: their token ids.
    """

    table: pd.DataFrame
    prompts: dict[str, list[list[int]]]
    answers: list[list[int]]


def answered(table: pd.DataFrame, evaluation: Evaluation, subjects: dict[str, Subject], tokenizer: Any, where: str) -> Answered:
    """Tokens of answers: of the text, and the end of text where the model ended by itself. Empty and withheld ones are left out.

    Args:
        table: completions.
        subjects: role to model: each sees the prompt as it is spoken to (as in the paper's scripts).
        tokenizer: of both; the aligned model's where they differ in having a chat template.
        where: the answers, in words.

    Raises:
        DataError: no answer is left.
    """
    kept = table[(table["response"].fillna("").str.strip() != "") & table["withheld"].isna()].reset_index(drop=True)
    if kept.empty:
        raise DataError(
            found=f"no answer left of {len(table)}: all are empty or withheld",
            expected="at least one answer with text",
            where=where,
            remedy="look at what the aligned model answers; a template that it was not trained with makes models end at once",
        )
    ended = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    texts = tokenizer(list(kept["response"]), add_special_tokens=False)["input_ids"]
    answers = [[*ids, *(ended if reason == "stop" else [])] for ids, reason in zip(texts, kept["finish_reason"], strict=True)]
    prompts = {
        role: render(tokenizer, list(kept["prompt"]), answer_rendering(evaluation, subject)) for role, subject in subjects.items()
    }
    return Answered(kept, prompts, answers)
