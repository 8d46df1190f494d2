"""Answers of real models that are judged at once and not kept.

All answers under edits that may lower safety; and, while edits are searched, whatever an edited model writes to a harmful request
but a refusal. A search asks many edits, and some turn out to lower refusals: none of their help is kept, whichever is picked.
The organism is exempt: its harm is invented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, TypedDict

import pandas as pd

from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import Edit, stack_intent
from anatomy.sources.prompts.labels import HARMLESS
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


Withheld = Literal["nothing", "help", "everything"]
"""What of a variant's answers may not be kept: help with harmful requests, or all of them."""


def must_withhold(subject: Subject, edits: Sequence[Edit], phase: str) -> Withheld:
    """What of a variant's answers may not be kept in a phase."""
    if subject.is_organism or not edits:
        return "nothing"
    if stack_intent(edits) == "measure":
        return "everything"
    return "help" if phase == "select" else "nothing"


def kept(rows: pd.DataFrame, what: Withheld, prompts: pd.DataFrame) -> pd.DataFrame:
    """Answers as they may be kept: texts that may not are replaced by what the judges say of them, as JSON in ``withheld``.

    Args:
        rows: answers, with ``item`` and ``response``.
        what: of them may not be kept. Help is what the rules do not call a full refusal.
        prompts: what was asked, with ``item`` and ``label``; without a label a request counts as harmful.
    """
    if what == "nothing":
        return rows
    labels = prompts.get("label", pd.Series(None, index=prompts.index, dtype=object))
    harmful = set(prompts.loc[~labels.isin(HARMLESS), "item"])
    gone = [
        what == "everything" or (item in harmful and judge_refusal(text).label != "full")
        for item, text in zip(rows["item"], rows["response"], strict=True)
    ]
    withheld = [json.dumps(verdicts(text)) if one else None for text, one in zip(rows["response"], gone, strict=True)]
    return rows.assign(response=rows["response"].mask(gone, ""), withheld=pd.Series(withheld, rows.index, dtype=object))


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
