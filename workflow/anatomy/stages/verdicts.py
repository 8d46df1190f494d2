"""Verdicts of a model judge as rows of the store: how an engine computes what is missing.

A row has ``item``, ``cut`` (tokens of the answer left out; -1: it did not fit), ``raw`` (what the judge wrote), and for each
verdict ``<part>.label``, ``.score``, ``.mass`` (probability that its words had together), ``.failed``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from anatomy.config.judging import ModelJudge
from anatomy.progress.counting import Progress
from anatomy.serving.decisions import Decided, decide
from anatomy.serving.engine import Engine
from anatomy.store.fill import Want
from anatomy.texts.judges.model_judges.candidates import candidate_tokens, token_texts
from anatomy.texts.judges.model_judges.fitting import fit
from anatomy.texts.judges.model_judges.format import JudgeFormat
from anatomy.texts.judges.model_judges.parser import Reading, read_verdict
from anatomy.texts.judges.reasoning import strip_reasoning
from anatomy.texts.judges.verdict import NAN, UNREADABLE, Verdict

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")

SHARD = 256
"""Completions a shard: what a kill may cost."""

Candidates = dict[str, dict[str, list[int]]]
"""For each part of a judge's answer, its words, and the tokens that stand for each."""

VerdictColumns = dict[str, str | float | bool | None]
"""Columns of one row of a cell; which there are follows from the questions of the judge's format."""


def compute_verdicts(
    form: JudgeFormat, judge: ModelJudge, say: Callable[[str], None]
) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills a cell of verdicts, shard by shard."""

    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        texts = token_texts(engine.tokenizer)
        candidates = {question.part: candidate_tokens(engine.tokenizer, question, texts) for question in form.questions}
        with Progress("answers judged", sum(len(want.rows) for want in wants), say, whole=True) as progress:
            for want in wants:
                for start in range(0, len(want.rows), SHARD):
                    shard = want.rows.iloc[start : start + SHARD]
                    with progress.part(len(shard)):
                        judged = judge_shard(engine, form, judge, candidates, shard)
                    yield want, judged

    return compute


def judge_shard(engine: Engine, form: JudgeFormat, judge: ModelJudge, candidates: Candidates, rows: pd.DataFrame) -> pd.DataFrame:
    """Verdicts on some completions, as rows of a cell."""
    room = judge.max_model_len - form.max_new_tokens
    answers = [strip_reasoning(text) for text in rows["response"]]
    fitted = [
        None if answer is None else fit(form, engine.tokenizer, prompt, answer, room, judge.too_long == "cut")
        for prompt, answer in zip(rows["prompt"], answers, strict=True)
    ]
    asked = [one.token_ids for one in fitted if one is not None and one.token_ids is not None]
    wanted = sorted({token for words in candidates.values() for tokens in words.values() for token in tokens})
    decided = iter(decide(engine, asked, wanted, form.max_new_tokens))
    found = []
    for item, one in zip(rows["item"], fitted, strict=True):
        if one is None:
            found.append({"item": item, "cut": 0, **unread(form, UNREADABLE.raw)})
        elif one.token_ids is None:
            found.append({"item": item, "cut": -1, **unread(form, f"{one.length} tokens, {room} fit")})
        else:
            found.append({"item": item, "cut": one.cut, **read(form, candidates, engine.tokenizer, next(decided))})
    return pd.DataFrame(found).astype({"raw": "str", **{f"{question.name}.label": "str" for question in form.questions}})


def read(form: JudgeFormat, candidates: Candidates, tokenizer: Any, written: Decided) -> VerdictColumns:
    """The cell's columns for one answer of the judge."""
    readings = [
        read_verdict(question, candidates[question.part], tokenizer, written.token_ids, written.logprobs)
        for question in form.questions
    ]
    return columns(form, readings, readings[0].verdict.raw)


def unread(form: JudgeFormat, reason: str) -> VerdictColumns:
    """The cell's columns where the judge was not asked: parse failures all."""
    return columns(form, [Reading(Verdict(None, NAN, reason, parse_failure=True), NAN)] * len(form.questions), reason)


def columns(form: JudgeFormat, readings: list[Reading], raw: str) -> VerdictColumns:
    """Readings of all questions as columns."""
    found: VerdictColumns = {"raw": raw}
    for question, (verdict, mass) in zip(form.questions, readings, strict=True):
        found |= {
            f"{question.name}.label": verdict.label,
            f"{question.name}.score": verdict.score,
            f"{question.name}.mass": mass,
            f"{question.name}.failed": verdict.parse_failure,
        }
    return found
