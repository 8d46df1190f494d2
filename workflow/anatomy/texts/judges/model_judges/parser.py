"""From what a judge wrote to its verdicts: the word, and its probability at the first token that decides it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from anatomy.texts.judges.model_judges.format import Question
from anatomy.texts.judges.verdict import NAN, Verdict

Logprobs = Sequence[Mapping[int, float]]
"""For each token that was written the log-probabilities (nats) of the candidate tokens in its place."""


class Reading(NamedTuple):
    """A verdict, and the probability that all its words had together at the deciding token."""

    verdict: Verdict
    mass: float


def read_verdict(
    question: Question, candidates: Mapping[str, Sequence[int]], tokenizer: Any, token_ids: Sequence[int], logprobs: Logprobs
) -> Reading:
    """Read one verdict.

    Args:
        candidates: for each word the tokens that stand for it.
        token_ids: what the judge wrote.
        logprobs: as many as ``token_ids``.

    Returns:
        The word's label; as score the mean of the words' values under their probabilities at the deciding token, which are
        normalised to 1 among the words (for yes or no: the probability of yes). The score is NaN where the word was written in
        other tokens than its candidates. What reads like none of the words is a parse failure, with NaN for a score.
    """
    text = tokenizer.decode(list(token_ids), skip_special_tokens=True)
    raw = text.strip()
    found = find_word(question, text)
    if found is None or found[0] not in (*question.words, *question.declined):
        return Reading(Verdict(None, NAN, raw, parse_failure=True), NAN)
    word, place = found
    if word in question.declined:
        return Reading(Verdict(None, NAN, raw), NAN)
    number = token_at(tokenizer, token_ids, place)
    if token_ids[number] not in candidates[word]:
        return Reading(Verdict(question.labels[word], NAN, raw), NAN)
    chances = {
        each: float(np.exp([logprobs[number][token] for token in candidates[each]], dtype=np.float64).sum())
        for each in question.words
    }
    mass = sum(chances.values())
    score = sum(question.values[each] * chance for each, chance in chances.items()) / mass
    return Reading(Verdict(question.labels[word], score, raw), mass)


def find_word(question: Question, text: str) -> tuple[str, int] | None:
    """The word in lower case where the verdict should stand, and its place in the text; None where nothing stands there."""
    if question.heading:
        pattern = rf"^[ \t]*{re.escape(question.heading)}[ \t]*:[ \t]*(?P<word>[^\n]*?)[ \t]*$"
    elif question.alone:
        pattern = r"\A\s*(?P<word>[^\n]*?)[ \t]*$"
    else:
        pattern = r"\A[\s\"'`*_(\[<]*(?P<word>[^\s\"'`*_()\[\]<>.,;:!]+)"
    found = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
    return (found["word"].lower(), found.start("word")) if found else None


def token_at(tokenizer: Any, token_ids: Sequence[int], place: int) -> int:
    """Number of the token that writes a place of the text."""
    return next(
        number
        for number in range(len(token_ids))
        if len(tokenizer.decode(list(token_ids[: number + 1]), skip_special_tokens=True)) > place
    )
