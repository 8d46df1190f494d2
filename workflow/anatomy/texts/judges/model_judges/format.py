"""What a judge model is shown, and the words in which it answers.

Request and answer stand in a prompt as the published formats put them there, as plain text: special tokens that they spell out
are read as such. An answer is what follows the model's reasoning, without blanks around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """One verdict in a judge's answer.

    Attributes:
        part: which of the judge's verdicts it is; empty where the judge gives only one.
        heading: what stands before the verdict on its line; empty where the verdict opens the answer.
        labels: each word of the verdict, in lower case, and the label it means.
        values: a number for each word; a verdict's score is their mean under the probabilities of the words.
        declined: words by which the judge says that there is nothing to judge.
        alone: whether anything may stand on the verdict's line after the word.
    """

    part: str
    labels: Mapping[str, str]
    values: Mapping[str, float]
    heading: str = ""
    declined: tuple[str, ...] = ()
    alone: bool = True

    @property
    def name(self) -> str:
        """Name of the verdict's columns in the store."""
        return self.part or "verdict"

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.labels)


@dataclass(frozen=True)
class JudgeFormat:
    """A judge's prompt format and the verdicts it gives.

    Attributes:
        questions: the verdicts, in the order in which they are written.
        write: the prompt's text from (tokenizer, request, answer).
        max_new_tokens: the longest well-formed answer, in tokens.
        adds_beginning: whether the tokenizer puts the beginning-of-text token before the text; else the text carries it.
    """

    questions: tuple[Question, ...]
    write: Callable[[Any, str, str], str]
    max_new_tokens: int
    adds_beginning: bool = False
