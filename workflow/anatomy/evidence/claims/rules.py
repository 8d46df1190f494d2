"""Rules that turn evidence into a finding; a claim names one and fixes its parameters before the run.

Every rule is conservative in the same way: *supported* needs the whole interval on the claimed side, *not supported*
the whole interval on the other side (or controls that do as much), and everything between is *inconclusive*.
"""

from collections.abc import Callable
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from anatomy.evidence.claims.claim import Finding, Verdict
from anatomy.evidence.claims.evidence import Contrast, Count, Levels, Scores, Steps
from anatomy.evidence.claims.findings import finding_of, side_of, span
from anatomy.evidence.claims.places import place_near, same_choice
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.summaries import level_within, summary_above, summary_below
from anatomy.statistics.clusters import Sample
from anatomy.statistics.controls import compare_with_controls
from anatomy.statistics.equivalence import equivalence_p, exceedance_p, place_in_margin
from anatomy.statistics.intervals import Interval, mean_interval
from anatomy.statistics.paired import difference_interval, sign_flip_p
from anatomy.statistics.separation import auroc_interval
from anatomy.statistics.trend import item_slopes


def difference_above(
    evidence: Contrast,
    resampling: Resampling,
    *,
    threshold: float | int,
    min_controls: int = 0,
    control_level: float = nan,
    shown: bool = False,
) -> Finding:
    """A difference exceeds a threshold, and the controls' differences.

    With `min_controls`, at least so many controls must exist and the rank p of the estimate among them must not exceed
    `control_level`: an effect that random directions have too is not supported, however large. Where controls are `shown`, they
    stand beside the difference and decide nothing.
    """
    difference = difference_interval(evidence.sample, evidence.against, **resampling.options)
    interval = difference.interval
    if threshold == 0 and evidence.against is None:
        p = sign_flip_p(evidence.sample, alternative="greater", seed=resampling.seed, resamples=resampling.resamples)
    else:
        p = exceedance_p(difference, threshold)
    verdict = side_of(interval, threshold)
    reason = f"difference {span(interval)} against > {threshold:+g}"
    if evidence.baseline is not None:
        reason += f", from {evidence.baseline.mean:.3f}"
    finding = finding_of(verdict, reason, interval, p)
    if shown and evidence.controls.size:
        low, high = float(evidence.controls.min()), float(evidence.controls.max())
        beside = f"{low:+z.3f}" if low == high else f"{low:+z.3f} to {high:+z.3f}"
        number = int(evidence.controls.size)
        return replace(finding, reason=f"{reason}; control {beside}", controls=number, control_low=low, control_high=high)
    return _against_controls(finding, evidence.controls, min_controls, control_level)


def difference_below(evidence: Contrast, resampling: Resampling, **parameters: Any) -> Finding:
    """A difference falls below a (negative) threshold, and below the controls: `difference_above` with signs turned."""
    turned = dict(parameters, threshold=-parameters["threshold"])
    found = difference_above(evidence.negated(), resampling, **turned)
    interval = Interval(-found.estimate, -found.high, -found.low, found.n, found.clusters)
    reason = f"difference {span(interval)} against < {parameters['threshold']:+g}"
    if evidence.baseline is not None:
        reason += f", from {evidence.baseline.mean:.3f}"
    if found.controls:
        reason += f"; {found.controls} controls from {-found.control_high:+.3f} to {-found.control_low:+.3f}"
    elif parameters.get("min_controls"):
        reason += "; no controls"
    return replace(
        found,
        reason=reason,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        control_low=-found.control_high,
        control_high=-found.control_low,
    )


def difference_within(
    evidence: Contrast, resampling: Resampling, *, margin: float | int, side: str, chance: float | int | None = None
) -> Finding:
    """A quantity is kept: the interval of its change lies inside a margin.

    With `chance`, the unedited outcomes must lie above it, because a task at chance cannot get worse.
    """
    difference = difference_interval(evidence.sample, evidence.against, **resampling.options)
    interval = difference.interval
    if chance is not None:
        if evidence.baseline is None:
            return Finding(Verdict.NOT_TESTABLE, "no unedited outcomes to compare with chance")
        before = mean_interval(evidence.baseline, **resampling.options)
        if before.low <= chance:
            reason = f"unedited score {span(before, signed=False)} is not above chance {chance:g}; decides nothing"
            return finding_of(Verdict.NOT_TESTABLE, reason, interval, nan)
    place = place_in_margin(interval, margin, side=side)
    verdict = {"inside": Verdict.SUPPORTED, "outside": Verdict.NOT_SUPPORTED, "across": Verdict.INCONCLUSIVE}[place]
    bounds = f"±{margin:g}" if side == "both" else f"a fall of {margin:g}"
    p = equivalence_p(difference, margin, side=side)
    return finding_of(verdict, f"change {span(interval)} lies {place} the margin of {bounds}", interval, p)


def rate_above(evidence: Contrast, resampling: Resampling, *, threshold: float | int) -> Finding:
    """A rate exceeds a threshold."""
    interval = mean_interval(evidence.sample, **resampling.options)
    p = exceedance_p(difference_interval(evidence.sample, None, **resampling.options), threshold)
    reason = f"rate {span(interval, signed=False)} against > {threshold:g}"
    return finding_of(side_of(interval, threshold), reason, interval, p)


def rate_below(evidence: Contrast, resampling: Resampling, *, threshold: float | int) -> Finding:
    """A rate stays below a threshold."""
    rest = Contrast(Sample(1.0 - evidence.sample.values, evidence.sample.groups))
    found = rate_above(rest, resampling, threshold=1.0 - threshold)
    interval = Interval(1 - found.estimate, 1 - found.high, 1 - found.low, found.n, found.clusters)
    reason = f"rate {span(interval, signed=False)} against < {threshold:g}"
    return finding_of(found.verdict, reason, interval, found.p)


def ordering(evidence: Steps, resampling: Resampling, *, threshold: float | int) -> Finding:
    """Every step of an ordered list rises by more than a threshold; the smallest step is shown."""
    found = [difference_above(step, resampling, threshold=threshold) for step in evidence.steps]
    verdicts = {finding.verdict for finding in found}
    verdict = next(v for v in (Verdict.NOT_SUPPORTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED) if v in verdicts)
    pairs = zip(evidence.names, evidence.names[1:], strict=False)
    steps = ", ".join(f"{a} to {b} {f.estimate:+.3f}" for (a, b), f in zip(pairs, found, strict=True))
    smallest = min(found, key=lambda finding: finding.estimate)
    return replace(smallest, verdict=verdict, reason=f"steps {steps}", p=max(finding.p for finding in found))


def monotone_trend(evidence: Levels, resampling: Resampling, *, direction: int) -> Finding:
    """Means rise (direction 1) or fall (-1) along ordered levels, and no single step goes clearly the other way."""
    slopes = item_slopes(evidence.outcomes * direction, evidence.groups)
    found = difference_above(Contrast(slopes), resampling, threshold=0)
    verdict = found.verdict
    for i in range(len(evidence.names) - 1):
        step = Sample((evidence.outcomes[:, i + 1] - evidence.outcomes[:, i]) * direction, evidence.groups, True)
        if difference_interval(step, None, **resampling.options).interval.high < 0:
            verdict = Verdict.NOT_SUPPORTED
    means = ", ".join(f"{n} {m:+.3f}" for n, m in zip(evidence.names, evidence.outcomes.mean(axis=0), strict=True))
    low, high = sorted((found.low * direction, found.high * direction))
    return replace(found, verdict=verdict, reason=f"means {means}", estimate=found.estimate * direction, low=low, high=high)


def auroc_above(evidence: Scores, resampling: Resampling, *, threshold: float | int) -> Finding:
    """A number separates two classes with an AUROC above a threshold."""
    interval = auroc_interval(evidence.scores, evidence.positive, evidence.groups, **resampling.options)
    reason = f"AUROC {span(interval, signed=False)} against > {threshold:g}"
    return finding_of(side_of(interval, threshold), reason, interval, nan)


def count_at_least(evidence: Count, resampling: Resampling, *, minimum: int) -> Finding:
    """At least so many candidates passed."""
    verdict = Verdict.SUPPORTED if evidence.found >= minimum else Verdict.NOT_SUPPORTED
    reason = f"{evidence.found} of {evidence.total} kept" + (f"; dropped: {evidence.note}" if evidence.note else "")
    return Finding(verdict, reason, estimate=float(evidence.found), n=evidence.total, clusters=evidence.total)


def controls_within(evidence: Contrast, resampling: Resampling, *, margin: float | int, min_controls: int) -> Finding:
    """No control has an effect beyond a margin; the largest is shown, with the range of all as its bounds."""
    controls = evidence.controls
    if controls.size < min_controls or controls.size == 0:
        return Finding(Verdict.NOT_TESTABLE, f"{controls.size} controls, at least {min_controls} needed")
    largest = float(controls[np.abs(controls).argmax()])
    verdict = Verdict.SUPPORTED if abs(largest) <= margin else Verdict.NOT_SUPPORTED
    low, high = float(controls.min()), float(controls.max())
    return Finding(
        verdict,
        f"{controls.size} controls move it by {low:+.3f} to {high:+.3f} against ±{margin:g}",
        *(largest, low, high, evidence.sample.n, evidence.sample.clusters, int(controls.size), low, high),
    )


RULES: dict[str, Callable[..., Finding]] = {
    rule.__name__: rule
    for rule in (
        *(difference_above, difference_below, difference_within, rate_above, rate_below),
        *(ordering, monotone_trend, auroc_above, count_at_least, controls_within),
        *(summary_above, summary_below, level_within, same_choice, place_near),
    )
}


def _against_controls(finding: Finding, controls: np.ndarray, min_controls: int, level: float) -> Finding:
    if min_controls == 0:
        return finding
    if controls.size == 0:
        undecided = Verdict.INCONCLUSIVE if finding.verdict == Verdict.SUPPORTED else finding.verdict
        return replace(finding, verdict=undecided, reason=f"{finding.reason}; no controls, {min_controls} needed")
    ranked = compare_with_controls(finding.estimate, controls, side="greater")
    verdict = finding.verdict
    if verdict == Verdict.SUPPORTED and ranked.p > level:
        # with too few controls even the largest effect cannot reach the level: that is no finding against the claim
        verdict = Verdict.NOT_SUPPORTED if controls.size >= min_controls else Verdict.INCONCLUSIVE
    if verdict == Verdict.SUPPORTED and controls.size < min_controls:
        verdict = Verdict.INCONCLUSIVE
    reason = f"{finding.reason}; {ranked.n} controls from {ranked.low:+.3f} to {ranked.high:+.3f}"
    if ranked.n < min_controls:
        reason += f", {min_controls} needed"
    return replace(
        finding,
        verdict=verdict,
        reason=reason,
        controls=ranked.n,
        control_low=ranked.low,
        control_high=ranked.high,
        p_control=ranked.p,
    )
