"""What a judge says of one completion, and the table of all that judges said."""

from __future__ import annotations

from dataclasses import dataclass

KEYS = ("model", "variant", "phase", "set", "id", "sample")
COLUMNS = (*KEYS, "group", "judge", "label", "score", "raw", "parse_failure")
REFUSAL_LABELS = ("full", "partial", "none")
REFUSED_SHARE = {"full": 1.0, "partial": 0.5, "none": 0.0}
NAN = float("nan")


@dataclass(frozen=True)
class Verdict:
    """A judge's answer about one completion.

    Attributes:
        label: the class; None where the judge has none to give.
        score: the judge's number; NaN where it does not apply.
        raw: what decided, in the judge's words.
        parse_failure: the completion, or the judge's answer, could not be read. It is a class of its own, no label.
    """

    label: str | None
    score: float
    raw: str = ""
    parse_failure: bool = False


UNREADABLE = Verdict(None, NAN, "reasoning span never closed", parse_failure=True)
