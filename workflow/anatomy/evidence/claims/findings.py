"""An interval as a verdict and in words: what every rule of claims shares."""

from anatomy.evidence.claims.claim import Finding, Verdict
from anatomy.statistics.intervals import Interval


def side_of(interval: Interval, threshold: float | int) -> Verdict:
    """Supported above the threshold, not supported at or below it, inconclusive across it."""
    if interval.low > threshold:
        return Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if interval.high <= threshold else Verdict.INCONCLUSIVE


def finding_of(verdict: Verdict, reason: str, interval: Interval, p: float) -> Finding:
    """What a rule says of an interval."""
    return Finding(verdict, reason, interval.estimate, interval.low, interval.high, interval.n, interval.clusters, p=p)


def span(interval: Interval, *, signed: bool = True) -> str:
    """An estimate with its interval, in words."""
    form = "+z.3f" if signed else "z.3f"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
