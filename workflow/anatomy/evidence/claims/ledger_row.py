"""One row of the ledger (``evidence.claims.ledger``), as pages and model cards read it."""

from __future__ import annotations

from typing import TypedDict


class LedgerRow(TypedDict):
    """A claim about a subject and what the tables say about it.

    Attributes:
        claim, paper, subject, seed: what is claimed, by whom, of which model or pair, in which family of the organism.
        verdict, reason: what came of it; the reason is empty where the numbers speak.
        estimate, low, high, n, clusters: the number, its interval, items, and source items.
        controls, control_low, control_high: how many controls stand beside it, and the span of theirs.
        p, p_control, p_holm: of the test, against controls, and after Holm's correction in ``family``.
        sentence, source: the claim in words, and where the paper says so.
        statistic, rule, parameters: what was computed and how it was judged; parameters as JSON.
        planted: whether the truth was planted.
    """

    claim: str
    paper: str
    subject: str
    seed: int
    verdict: str
    estimate: float
    low: float
    high: float
    n: int
    clusters: int
    controls: int
    control_low: float
    control_high: float
    p: float
    p_control: float
    p_holm: float
    reason: str
    sentence: str
    source: str
    statistic: str
    rule: str
    parameters: str
    family: str
    planted: bool
