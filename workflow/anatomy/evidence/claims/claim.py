"""What a claim is, and what testing it can say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import nan
from typing import Any

from anatomy.evidence.claims.tables import Tables


class Verdict(StrEnum):
    """The four outcomes of a test. Absence of evidence is never evidence of absence, hence the last two."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Test:
    """One statistic and the rule that judges it.

    Attributes:
        rule: a name in `anatomy.evidence.claims.rules.RULES`.
        evidence: gathers the rule's evidence from the tables; may raise `MissingEvidence`.
        parameters: the rule's parameters (thresholds, margins, numbers of controls), fixed before the run.
        statistic: what is computed, in words.
        premise: what has to be there for the claim to mean anything: where it is not, the claim is not testable. The numbers
            shown are the next test's, and its p-value is none of the claim's, which does not say it.
    """

    __test__ = False  # not a test class of pytest

    rule: str
    evidence: Callable[[Tables], Any]
    parameters: Mapping[str, Any]
    statistic: str
    premise: bool = False


@dataclass(frozen=True)
class Claim:
    """One testable sentence.

    Attributes:
        id: unique together with the subject.
        paper: whose claim it is; "ours" and "planted truth" are possible.
        sentence: the claim in one sentence.
        source: where in the paper it stands.
        family: claims of one family and subject share a Holm correction.
        subject: the model it is tested on.
        tests: all have to hold; the first one that is no premise supplies the estimate that is shown.
        planted: the claim says something that is true only of a model into which it was planted.
    """

    id: str
    paper: str
    sentence: str
    source: str
    family: str
    subject: str
    tests: tuple[Test, ...]
    planted: bool = False


@dataclass(frozen=True)
class Finding:
    """What one rule found. Numbers that a rule has no use for are NaN."""

    verdict: Verdict
    reason: str
    estimate: float = nan
    low: float = nan
    high: float = nan
    n: int = 0
    clusters: int = 0
    controls: int = 0
    control_low: float = nan
    control_high: float = nan
    p: float = nan
    p_control: float = nan
    parts: tuple["Finding", ...] = field(default=(), repr=False)


def combine_findings(findings: tuple[Finding, ...], premises: tuple[bool, ...] = ()) -> Finding:
    """All parts have to hold: one that fails decides, then one that is missing, then one that is undecided.

    A premise that fails makes the claim not testable, whatever its other parts say. The p-value is the largest one
    (intersection-union test) of what is claimed: a premise is asked before the claim and has none, so that a claim whose other
    parts have no p-value has none either, and no place in Holm's correction. Numbers shown are those of the first part that is
    no premise.

    Args:
        premises: which findings are of premises; () for none.
    """
    if len(findings) == 1:
        return findings[0]
    asked = premises or (False,) * len(findings)
    for verdict in (Verdict.NOT_SUPPORTED, Verdict.NOT_TESTABLE, Verdict.INCONCLUSIVE, Verdict.SUPPORTED):
        if any(finding.verdict == verdict for finding in findings):
            break
    if any(one and finding.verdict == Verdict.NOT_SUPPORTED for one, finding in zip(asked, findings, strict=True)):
        verdict = Verdict.NOT_TESTABLE
    said = [finding for one, finding in zip(asked, findings, strict=True) if not one] or list(findings)
    p = max((finding.p for finding in said if finding.p == finding.p), default=nan)
    reason = "; ".join(f"({i}) {finding.verdict}: {finding.reason}" for i, finding in enumerate(findings, 1))
    effects = [finding for one, finding in zip(asked, findings, strict=True) if not one and finding.n]
    shown = next((finding for finding in (*effects, *findings) if finding.n), findings[0])
    return replace(shown, verdict=verdict, reason=reason, p=p, parts=findings)
