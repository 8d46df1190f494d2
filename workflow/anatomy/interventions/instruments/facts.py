"""Facts as prompts that end where their object would stand, and what a model says there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from anatomy.errors import DataError
from anatomy.interventions.instruments.fact_edit import FactPrompt
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel


@dataclass(frozen=True)
class Question:
    """A text with what would be true and what is to be false after it.

    Attributes:
        text: ends before the object.
        true, new: the object as it is, and as it is to be.
    """

    text: str
    true: str
    new: str


@dataclass(frozen=True)
class Fact:
    """A fact that is to be rewritten.

    Attributes:
        id: of the fact; ``group``: of its subject.
        subject: as it stands in the statement.
        statement: ends before the object.
        paraphrases: the same fact asked otherwise.
        unrelated: facts of other subjects, which are to stay: their ``new`` is the edited fact's.
        contrary: a subject that takes the place of this one, of which something else is true; None where there is none.
    """

    id: str
    group: str
    subject: str
    statement: Question
    paraphrases: tuple[Question, ...]
    unrelated: tuple[Question, ...]
    contrary: str | None = None


def fact_prompt(tokenizer: Any, text: str, subject: str) -> FactPrompt:
    """The tokens of a text, and where the last mention of the subject ends in them.

    Raises:
        DataError: the subject does not stand in the text, or its end is no end of a token.
    """
    place = text.rfind(subject)
    encoded = tokenizer(text, return_offsets_mapping=True)
    end = place + len(subject)
    columns = [n for n, (start, stop) in enumerate(encoded["offset_mapping"]) if start < end == stop]
    if place < 0 or not columns:
        raise DataError(
            found=f"{subject!r} in {text!r}" if place >= 0 else f"no {subject!r} in {text!r}",
            expected="a text in which the subject stands, ending with a token",
            where="a fact that is to be edited",
            remedy="correct facts.own",
        )
    return FactPrompt(tuple(encoded["input_ids"]), columns[-1])


def is_first_token(tokenizer: Any, text: str, subject: str) -> bool:
    """Whether the last mention of the subject ends in the very first token of a text."""
    return tokenizer(text, return_offsets_mapping=True)["offset_mapping"][0][1] >= text.rfind(subject) + len(subject)


def object_token(tokenizer: Any, text: str, said: str) -> int:
    """First token of an object behind a text.

    Raises:
        DataError: the object changes the tokens of the text before it.
    """
    before, after = (list(tokenizer(part)["input_ids"]) for part in (text, f"{text} {said}"))
    if after[: len(before)] != before or len(after) == len(before):
        raise DataError(
            found=f"{text!r}, whose tokens change when {said!r} follows",
            expected="a text that ends in a whole word, without a blank",
            where="a fact that is to be edited",
            remedy="correct facts.own",
        )
    return int(after[len(before)])


@torch.no_grad()
def margins(loaded: LoadedModel, questions: Sequence[Question], token_budget: int) -> pd.Series:
    """``log P(new) - log P(true)`` of first tokens after each question: above 0 the model says the new object."""
    tokenizer = loaded.tokenizer
    tokens = [list(tokenizer(question.text)["input_ids"]) for question in questions]
    pairs = [[object_token(tokenizer, question.text, said) for said in (question.new, question.true)] for question in questions]
    found = [0.0] * len(questions)
    for batch in batches(tokens, token_budget, loaded.pad_token_id, loaded.device):
        logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1].double()
        for row, own in zip(batch.rows, logits, strict=True):
            new, true = pairs[row]
            found[row] = (own[new] - own[true]).item()
    return pd.Series(found)
