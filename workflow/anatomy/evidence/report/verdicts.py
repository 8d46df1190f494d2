"""The ledger as the page shows it: counts, a matrix of claims and subjects, and one entry a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger_row import LedgerRow

ORDER = tuple(str(verdict) for verdict in Verdict)
GLYPHS = dict(zip(ORDER, ("✓", "✗", "≈", "·"), strict=True))
SEEDED = re.compile(r"(?P<member>.+)\.s(?P<seed>\d+)")
SLUGS = {verdict: verdict.replace(" ", "-") for verdict in ORDER}


@dataclass(frozen=True)
class Entry:
    """One row of the ledger: `anchor` is its place on the page, `span` where the interval lies for drawing."""

    anchor: str
    row: LedgerRow
    slug: str
    glyph: str
    numbers: str
    span: dict[str, float] | None


@dataclass(frozen=True)
class ClaimView:
    """Everything the claims section shows."""

    counts: list[tuple[str, str, str, int]]
    papers: list[str]
    subjects: list[str]
    matrix: list[tuple[str, str, str, dict[str, Entry]]]
    entries: list[Entry]


def claim_view(ledger: pd.DataFrame) -> ClaimView:
    """Arrange a ledger for the page; rows keep their order."""
    entries = [_entry(number, row) for number, row in enumerate(ledger.to_dict("records"))]
    subjects = beside_their_seeds(list(dict.fromkeys(_subject(entry.row) for entry in entries)))
    matrix: dict[str, tuple[str, str, str, dict[str, Entry]]] = {}
    for entry in entries:
        row = matrix.setdefault(entry.row["claim"], (entry.row["claim"], entry.row["paper"], entry.row["sentence"], {}))
        row[3][_subject(entry.row)] = entry
    counts = [(v, SLUGS[v], GLYPHS[v], sum(entry.row["verdict"] == v for entry in entries)) for v in ORDER]
    papers = list(dict.fromkeys(entry.row["paper"] for entry in entries))
    return ClaimView(counts, papers, subjects, list(matrix.values()), entries)


def beside_their_seeds(subjects: Sequence[str]) -> list[str]:
    """Subjects in their order, but the seeds of one organism member (``aligned.s0``) beside each other and ascending."""
    parts = {subject: SEEDED.fullmatch(subject) for subject in subjects}
    members = {subject: part["member"] if part else subject for subject, part in parts.items()}
    places = {member: place for place, member in reversed(list(enumerate(members.values())))}
    return sorted(subjects, key=lambda subject: (places[members[subject]], int(part["seed"]) if (part := parts[subject]) else -1))


def _subject(row: LedgerRow) -> str:
    return str(row["subject"])


def _entry(number: int, row: LedgerRow) -> Entry:
    verdict = row["verdict"]
    return Entry(f"claim-{number}", row, SLUGS[verdict], GLYPHS[verdict], _numbers(row), _span(row))


def _numbers(row: LedgerRow) -> str:
    if row["estimate"] != row["estimate"]:
        return ""
    if row["low"] != row["low"]:
        return f"{row['estimate']:.4g}"
    return f"{row['estimate']:z.3f} [{row['low']:z.3f}, {row['high']:z.3f}]"


def _span(row: LedgerRow) -> dict[str, float] | None:
    """Interval, estimate and controls in per cent of an axis from -1 to 1; None where they do not fit on it."""
    named = {"low": row["low"], "high": row["high"], "estimate": row["estimate"]}
    if any(value != value or abs(value) > 1 for value in named.values()):
        return None
    if row["controls"] and row["control_low"] == row["control_low"]:
        named |= {"control_low": row["control_low"], "control_high": row["control_high"]}
    return {name: round(50 * (1 + max(-1.0, min(1.0, value))), 2) for name, value in named.items()}
