"""Rules on numbers of a whole set of texts, which come with an interval of their own: by normal theory."""

from math import hypot

from scipy.stats import norm

from anatomy.evidence.claims.claim import Finding
from anatomy.evidence.claims.evidence import Summaries
from anatomy.evidence.claims.findings import finding_of, side_of, span
from anatomy.evidence.claims.resampling import Resampling
from anatomy.statistics.intervals import Interval


def summary_above(evidence: Summaries, resampling: Resampling, *, threshold: float | int) -> Finding:
    """A number of a whole set of texts exceeds that of another by more than a threshold, by normal theory."""
    z = float(norm.ppf(0.5 + resampling.confidence / 2))
    error = hypot(*((side.high - side.low) / 2 for side in (evidence.after, evidence.before))) / z
    estimate = evidence.after.estimate - evidence.before.estimate
    number, clusters = (min(getattr(side, name) for side in (evidence.after, evidence.before)) for name in ("n", "clusters"))
    interval = Interval(estimate, estimate - z * error, estimate + z * error, number, clusters)
    p = float(norm.sf((estimate - threshold) / error)) if error > 0 else float(estimate <= threshold)
    reason = f"difference {span(interval)} against > {threshold:+g}, from {evidence.before.estimate:.3f}"
    return finding_of(side_of(interval, threshold), reason, interval, p)


def summary_below(evidence: Summaries, resampling: Resampling, *, threshold: float | int) -> Finding:
    """`summary_above` with signs turned."""
    turned = summary_above(Summaries(evidence.before, evidence.after), resampling, threshold=-threshold)
    interval = Interval(-turned.estimate, -turned.high, -turned.low, turned.n, turned.clusters)
    reason = f"difference {span(interval)} against < {threshold:+g}, from {evidence.before.estimate:.3f}"
    return finding_of(turned.verdict, reason, interval, turned.p)


def level_within(evidence: Interval, resampling: Resampling, *, margin: float | int, around: float | int) -> Finding:
    """A level has not fallen below a value by more than a margin; the p-value is by normal theory."""
    z = float(norm.ppf(0.5 + resampling.confidence / 2))
    least, error = around - margin, (evidence.high - evidence.low) / (2 * z)
    p = float(norm.sf((evidence.estimate - least) / error)) if error > 0 else float(evidence.estimate <= least)
    reason = f"level {span(evidence, signed=False)} against at least {around:g} less a margin of {margin:g}"
    return finding_of(side_of(evidence, least), reason, evidence, p)
