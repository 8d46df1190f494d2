"""The ledger: every claim with what the tables say about it."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from anatomy.errors import ConfigError
from anatomy.evidence.claims.claim import Claim, Finding, Verdict, combine_findings
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.rules import RULES
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.progress.counting import counted
from anatomy.statistics.multiplicity import holm_adjust

NUMBERS = (*("estimate", "low", "high", "n", "clusters", "controls", "control_low", "control_high", "p", "p_control"),)
COLUMNS = (
    *("claim", "paper", "subject", "seed", "verdict", *NUMBERS, "p_holm", "reason"),
    *("sentence", "source", "statistic", "rule", "parameters", "family", "planted"),
)


def evaluate_claim(claim: Claim, tables: Tables, resampling: Resampling) -> Finding:
    """Gather a claim's evidence and judge it; evidence that is not there gives *not testable here*, with the reason."""
    findings = []
    for test in claim.tests:
        try:
            findings.append(RULES[test.rule](test.evidence(tables), resampling, **test.parameters))
        except MissingEvidence as missing:
            findings.append(Finding(Verdict.NOT_TESTABLE, missing.reason))
    return combine_findings(tuple(findings), tuple(test.premise for test in claim.tests))


def evaluate_ledger(claims: Sequence[Claim], tables: Tables, *, seed: int, resampling: Resampling) -> pd.DataFrame:
    """Judge all claims, one row each, in the order given.

    Holm's correction runs within (family, subject) over the claims that have a test; a claim that was supported alone
    but not after it becomes inconclusive.

    Args:
        claims: unique in (id, subject).
        tables: what the run produced, for one seed; seeds are shown one by one and never pooled.
        seed: the run's seed, recorded with each row.
        resampling: confidence, bootstrap seed and number of resamples; 1 - confidence is the level after Holm.

    Raises:
        ConfigError: a claim appears twice, has no test, or names an unknown rule.
    """
    _check(claims)
    rows = []
    for claim in counted(claims, "claims judged", len(claims)):
        found = evaluate_claim(claim, tables, resampling)
        rows.append(
            {"claim": claim.id, "paper": claim.paper, "subject": claim.subject, "seed": seed}
            | {"verdict": found.verdict, "reason": found.reason}
            | {name: getattr(found, name) for name in NUMBERS}
            | {"sentence": claim.sentence, "source": claim.source, "family": claim.family, "planted": claim.planted}
            | {"statistic": "; and ".join(test.statistic for test in claim.tests)}
            | {"rule": " and ".join(test.rule for test in claim.tests)}
            | {"parameters": json.dumps([dict(test.parameters) for test in claim.tests])}
        )
    ledger = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "p_holm"])
    ledger["p_holm"] = np.nan
    for _, members in ledger.groupby(["family", "subject"]).groups.items():
        ledger.loc[members, "p_holm"] = holm_adjust(ledger.loc[members, "p"].to_numpy(np.float64))
    lost = (ledger["verdict"] == Verdict.SUPPORTED) & (ledger["p_holm"] > 1 - resampling.confidence)
    ledger.loc[lost, "verdict"] = Verdict.INCONCLUSIVE
    ledger.loc[lost, "reason"] += "; not significant after Holm's correction within its family"
    ledger["verdict"] = ledger["verdict"].map(str)
    return ledger[list(COLUMNS)]


def _check(claims: Sequence[Claim]) -> None:
    seen: set[tuple[str, str]] = set()
    for claim in claims:
        if (claim.id, claim.subject) in seen:
            raise ConfigError(
                found=f"claim {claim.id} on {claim.subject} twice",
                expected="one claim an id and subject",
                where="the ledger",
                remedy="give the second one an id of its own",
            )
        seen.add((claim.id, claim.subject))
        if unknown := [test.rule for test in claim.tests if test.rule not in RULES] or not claim.tests:
            raise ConfigError(
                found=f"rules {unknown}" if claim.tests else "no test",
                expected=f"at least one of {sorted(RULES)}",
                where=f"claim {claim.id} on {claim.subject}",
            )
