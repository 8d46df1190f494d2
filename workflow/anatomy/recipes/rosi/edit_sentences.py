"""What each edit of a model of one's own changed and cost, in sentences with intervals."""

from __future__ import annotations

import contextlib

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.measures import Metric, Refusals, paired_change
from anatomy.evidence.claims.tables import MissingEvidence, VariantSelector, find_variant
from anatomy.recipes.rosi.absences import nearest_of, no_pick
from anatomy.recipes.rosi.families import Family, families
from anatomy.recipes.rosi.figures import Evidence
from anatomy.statistics.intervals import Interval
from anatomy.statistics.paired import difference_interval

NAMES = {
    "row_mean": "The paper's edit",
    "row_mean_signed": "The paper's edit, its sign chosen (ours)",
    "projection": "Our projection form",
    "mean_input": "Our mean-input form",
}
UNITS = {"projection": "alpha {:g}"}
"""How strong an edit is; the others are measured in per cent of a matrix's Frobenius norm."""

UNDER = {"plain": ", from directions without a system prompt", "system": ", from directions under the safety system prompt"}


def edit_sentences(config: Config, subject: Subject, evidence: Evidence) -> list[str]:
    """One sentence for each search of an edit, and one for what happens without the direction."""
    if not evidence.searches[subject.id].tokens["tokens"]:
        return ["No edit was searched for: with nothing that measures refusal at the first token, none can be told from another."]
    found = [edit_sentence(config, subject, evidence, one) for one in families(config, subject) if not one.control]
    for family, which in (("ablate", "the direction"), (nearest_of("ablate"), "the direction nearest to the published rule")):
        try:
            changes = _changes(config, subject, evidence, VariantSelector("measure", family, "ablate"))
            found.append(f"With {which} taken out of every layer while it answers: {changes}.")
        except MissingEvidence:
            continue
    return found


def edit_sentence(config: Config, subject: Subject, evidence: Evidence, family: Family) -> str:
    """What one search came to."""
    method, _, contrast = family.method.partition("@")
    along = f", along {contrast}, a direction that another tool made" if contrast in subject.foreign else ""
    name = NAMES.get(method, method) + UNDER.get(contrast, along)
    selector = VariantSelector("method", family.name)
    try:
        variant = find_variant(evidence.tables, subject.id, selector, "test")
        changes = _changes(config, subject, evidence, selector)
    except MissingEvidence:
        return f"{name}: {_reason(evidence, subject, family) or 'no edit was picked'}."
    strength = UNITS.get(family.form, "{:g} % of each matrix's norm").format(variant["strength"])
    sign = ", with the sign -1" if variant["sign"] == -1 else ""
    benchmarks = _benchmarks(config, subject, evidence, selector)
    return f"{name} (layer {int(variant['layer'])}, {strength}{sign}): {changes}{benchmarks}."


def _reason(evidence: Evidence, subject: Subject, family: Family) -> str:
    screen, picks = (evidence.tables.named.get(name, pd.DataFrame(columns=["model", "family"])) for name in ("screen", "picks"))
    return no_pick(subject.id, family.name, screen[screen["model"] == subject.id], picks[picks["model"] == subject.id])


def helping(config: Config, subject: Subject, evidence: Evidence) -> list[str]:
    """Searches whose pick raised the refusal of harmful requests: the whole interval of the paired change lies above 0."""
    found = []
    for family in families(config, subject):
        gather = paired_change(
            Refusals(config.evaluation.harmful, config.judges[0], "test"), subject.id, VariantSelector("method", family.name)
        )
        with contextlib.suppress(MissingEvidence):
            if not family.control and _interval(config, gather(evidence.tables)).low > 0:
                found.append(family.name)
    return found


def _interval(config: Config, contrast: Contrast) -> Interval:
    """Of a paired change, as the configuration asks for."""
    wanted = config.statistics
    return difference_interval(
        contrast.sample, None, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap
    ).interval


def _changes(config: Config, subject: Subject, evidence: Evidence, selector: VariantSelector) -> str:
    """Refusals before and after, of each side and of requests that only look harmful, with the interval of the paired change.

    Of harmful requests also what control directions changed, where any were searched in the same way.
    """
    told = []
    sets = {config.evaluation.harmful: "harmful requests", config.evaluation.benign: "harmless requests"}
    sets |= {name: f"{name}, which only looks harmful," for name in config.evaluation.lookalikes}
    for name, words in sets.items():
        gather = paired_change(
            Refusals(name, config.judges[0], "test"), subject.id, selector, controls=name == config.evaluation.harmful
        )
        try:
            contrast = gather(evidence.tables)
        except MissingEvidence:
            if name in config.evaluation.lookalikes:  # hooks are measured on the two sides alone
                continue
            raise
        interval = _interval(config, contrast)
        count, base = contrast.sample.n, 0.0 if contrast.baseline is None else contrast.baseline.mean
        points = f"{_points(interval.estimate)} points, {config.statistics.confidence:.0%} interval {_points(interval.low)} to "
        ranked = ""
        if len(contrast.controls):
            low, high = contrast.controls.min(), contrast.controls.max()
            ranked = f"; {len(contrast.controls)} control directions brought {_points(low)} to {_points(high)}"
        told.append(
            f"refusals of {words} go from {round(base * count)} to {round((base + interval.estimate) * count)} of {count} "
            f"({points}{_points(interval.high)}{ranked})"
        )
    return "; ".join(told)


def _points(share: float) -> str:
    """Percentage points with their sign; a change too small for one is 0."""
    return f"{round(100 * share):+d}" if round(100 * share) else "0"


def _benchmarks(config: Config, subject: Subject, evidence: Evidence, selector: VariantSelector) -> str:
    """Scores before and after with the interval of the paired change; empty where none were run."""
    told = []
    for task, metric in sorted(evidence.metrics.items()):
        with contextlib.suppress(MissingEvidence):
            contrast = paired_change(Metric(task, metric, "test"), subject.id, selector)(evidence.tables)
            interval = _interval(config, contrast)
            base = 0.0 if contrast.baseline is None else contrast.baseline.mean
            change = f"{_points(interval.low)} to {_points(interval.high)} points, {contrast.sample.n} items"
            told.append(f"{task} {base:.1%} to {base + interval.estimate:.1%} ({change})")
    return f"; benchmarks: {', '.join(told)}" if told else ""
