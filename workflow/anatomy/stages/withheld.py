"""Answers that are judged at once and not kept: those of real models under edits that may lower safety.

The organism is exempt: its harm is invented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

import pandas as pd

from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import Edit, stack_intent
from anatomy.texts.judges.coherence import judge_coherence
from anatomy.texts.judges.refusal_rules import judge_refusal
from anatomy.texts.judges.verdict import Verdict

PINS: tuple[str, ...] = ()

JUDGES = ("rules", "coherence")
"""Judges that need nothing but the text."""


class WithheldVerdict(TypedDict):
    """What a judge said of a text that is not kept (``anatomy.texts.judges.verdict.Verdict``)."""

    label: str | None
    score: float | None
    raw: str
    parse_failure: bool


def must_withhold(subject: Subject, edits: Sequence[Edit]) -> bool:
    """Whether the answers of a variant may not be kept."""
    return not subject.is_organism and stack_intent(edits) == "measure"


def withhold(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace each text by what the judges say of it, as JSON in the column ``withheld``."""
    return rows.assign(response="", withheld=[json.dumps(verdicts(text)) for text in rows["response"]])


def verdicts(text: str) -> dict[str, WithheldVerdict]:
    """What each judge says of a text; NaN becomes null, and reasons that quote the text are left out."""
    refusal = judge_refusal(text)
    found = {
        "rules": Verdict(refusal.label, refusal.score, parse_failure=refusal.label is None),
        "coherence": judge_coherence(text),
    }
    return {
        judge: {
            "label": verdict.label,
            "score": None if verdict.score != verdict.score else verdict.score,
            "raw": "",
            "parse_failure": verdict.parse_failure,
        }
        for judge, verdict in found.items()
    }


def judgements_of_withheld(completions: pd.DataFrame, judges: Sequence[str]) -> pd.DataFrame:
    """The judgements that stand in place of withheld texts, for those of ``judges`` that gave one."""
    keys = ["model", "variant", "phase", "set", "id", "sample", "group"]
    rows = []
    for key, text in zip(completions[keys].itertuples(index=False), completions["withheld"], strict=True):
        for judge, verdict in json.loads(text).items():
            if judge in judges:
                rows.append({**key._asdict(), "judge": judge, **verdict})
    return pd.DataFrame(rows).astype({"score": "float64"}) if rows else pd.DataFrame()
