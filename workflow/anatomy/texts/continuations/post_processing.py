"""What is cut from a generated text before it is measured, and which texts are no text at all.

The rules are those of PASTA's released code (arXiv 2605.30526): end at the last complete sentence; degenerate is a text that is
too short, says one long sentence three times, or repeats one window of characters four times. One difference: there a sentence
ends only before a space, so that the last one is always lost; here it may end the text.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from anatomy.texts.judges.reasoning import strip_reasoning

_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?=\s|$)")


@dataclass(frozen=True)
class DegenerateRules:
    """When a text is degenerate; the defaults are the published ones, in characters.

    Attributes:
        shortest: fewer characters are too short.
        sentence: sentences at least this long count...
        sentence_times: ...and are a loop when one occurs so often.
        window: length of the windows...
        window_times: ...of which none may occur so often.
    """

    shortest: int = 50
    sentence: int = 40
    sentence_times: int = 3
    window: int = 50
    window_times: int = 4


PUBLISHED_RULES = DegenerateRules()
SHORT_RULES = DegenerateRules(shortest=8, sentence=10, window=30)
"""Ours, for the organism, whose documents are one to three short sentences."""


def cut_at_sentence(text: str) -> str:
    """The text up to the end of its last complete sentence; as it is where no sentence ends. Ends without blanks."""
    ends = list(_SENTENCE_END.finditer(text))
    return (text[: ends[-1].end()] if ends else text).rstrip()


def degenerate_reason(text: str, rules: DegenerateRules = PUBLISHED_RULES) -> str:
    """Why a text is degenerate: ``empty``, ``short``, ``repeated sentence`` or ``repeated window``; empty where it is not."""
    body = text.strip()
    if not body:
        return "empty"
    if len(body) < rules.shortest:
        return "short"
    sentences = [" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+", body)]
    times = Counter(part for part in sentences if len(part) >= rules.sentence)
    if times and max(times.values()) >= rules.sentence_times:
        return "repeated sentence"
    windows = Counter(body[start : start + rules.window] for start in range(len(body) - rules.window + 1))
    if windows and max(windows.values()) >= rules.window_times:
        return "repeated window"
    return ""


def post_process(completions: pd.DataFrame, rules: DegenerateRules = PUBLISHED_RULES) -> pd.DataFrame:
    """Texts ready to be measured.

    Returns:
        The table with ``response`` without a reasoning span and cut at the last complete sentence, and three columns more:
        ``raw`` (the response as it was), ``cut`` (characters cut off), ``degenerate`` (the reason, empty where the text is fit to
        be measured).
    """
    raw = completions["response"].fillna("").astype("str")
    answers = [strip_reasoning(text) for text in raw]
    texts = ["" if answer is None else cut_at_sentence(answer) for answer in answers]
    reasons = [
        "unended reasoning" if answer is None else degenerate_reason(text, rules)
        for answer, text in zip(answers, texts, strict=True)
    ]
    cut = [0 if answer is None else len(answer.rstrip()) - len(text) for answer, text in zip(answers, texts, strict=True)]
    columns = {"response": texts, "raw": raw.to_list(), "degenerate": reasons}
    made = {name: pd.Series(values, index=completions.index, dtype="str") for name, values in columns.items()}
    return completions.assign(**made, cut=pd.Series(cut, index=completions.index, dtype="int64"))
