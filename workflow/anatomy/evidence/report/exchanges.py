"""Completions side by side, with what must not be shown taken out."""

from __future__ import annotations

import pandas as pd

from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.evidence.report.content import Answer, Exchange
from anatomy.sources.prompts.labels import HARMLESS


def pair_completions(
    completions: pd.DataFrame,
    judgements: pd.DataFrame,
    *,
    model: str,
    prompts: str,
    variants: list[str],
    judge: str,
    phase: str,
    show_all: bool,
    limit: int,
) -> list[Exchange]:
    """Answers of several variants to the same prompts, those first whose verdict differs between variants.

    Args:
        completions, judgements: tables of the phase.
        model, prompts, judge, phase: what is shown.
        variants: variant ids, in the order of columns.
        show_all: shows every text. Right for the organism, whose harm is invented. Otherwise an answer to a prompt that
            is not labelled harmless is shown only where the judge saw a full refusal.
        limit: most exchanges returned.
    """
    where = {"model": model, "set": prompts, "phase": phase}
    rows = completions[(completions[list(where)] == pd.Series(where)).all(axis=1) & completions["variant"].isin(variants)]
    judged = judgements[
        (judgements[list(where)] == pd.Series(where)).all(axis=1)
        & (judgements["judge"] == judge)
        & judgements["variant"].isin(variants)
    ]
    verdicts = {
        (row.variant, row.id, row.sample): "unreadable" if row.parse_failure else str(row.label) for row in judged.itertuples()
    }
    found = []
    for (item, sample), own in rows.groupby(["id", "sample"], sort=True):
        texts = own.set_index("variant")
        first = own.iloc[0]
        harmless = str(first.get("label")) in HARMLESS
        answers = tuple(
            _answer(texts.at[name, "response"], verdicts.get((name, item, sample), "unjudged"), show_all or harmless)
            if name in texts.index
            else Answer("", "missing")
            for name in variants
        )
        found.append(Exchange(str(item), str(first["prompt"]), str(first.get("category") or ""), answers))
    found.sort(key=lambda exchange: len({answer.label in REFUSED for answer in exchange.answers}) < 2)
    return found[:limit]


def _answer(text: object, label: str, may_show: bool) -> Answer:
    text = "" if text is None or text != text else str(text)
    if may_show or label == "full":
        return Answer(text, label)
    return Answer(f"withheld: {len(text)} characters", label, redacted=True)
