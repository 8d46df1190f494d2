"""What each edit of a model of one's own changed and cost, in sentences with intervals."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.measures import Refusals, paired_change
from anatomy.evidence.claims.tables import MissingEvidence, VariantSelector, find_variant
from anatomy.recipes.rosi.absences import nearest_of, no_pick
from anatomy.recipes.rosi.families import Family, families
from anatomy.recipes.rosi.figures import Evidence
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
    name = NAMES.get(method, method) + UNDER.get(contrast, "")
    selector = VariantSelector("method", family.name)
    try:
        variant = find_variant(evidence.tables, subject.id, selector, "test")
        changes = _changes(config, subject, evidence, selector)
    except MissingEvidence:
        return f"{name}: {_reason(evidence, subject, family) or 'no edit was picked'}."
    strength = UNITS.get(family.form, "{:g} % of each matrix's norm").format(variant["strength"])
    sign = ", with the sign -1" if variant["sign"] == -1 else ""
    benchmarks = _benchmarks(evidence, subject, family)
    return f"{name} (layer {int(variant['layer'])}, {strength}{sign}): {changes}{benchmarks}."


def _reason(evidence: Evidence, subject: Subject, family: Family) -> str:
    screen, picks = (evidence.tables.named.get(name, pd.DataFrame(columns=["model", "family"])) for name in ("screen", "picks"))
    return no_pick(subject.id, family.name, screen[screen["model"] == subject.id], picks[picks["model"] == subject.id])


def _changes(config: Config, subject: Subject, evidence: Evidence, selector: VariantSelector) -> str:
    """Refusals before and after, of each side and of requests that only look harmful, with the interval of the paired change.

    Of harmful requests also what control directions changed, where any were searched in the same way.
    """
    wanted, told = config.statistics, []
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
        interval = difference_interval(
            contrast.sample, None, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap
        ).interval
        count, base = contrast.sample.n, 0.0 if contrast.baseline is None else contrast.baseline.mean
        points = f"{_points(interval.estimate)} points, {wanted.confidence:.0%} interval {_points(interval.low)} to "
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


def _benchmarks(evidence: Evidence, subject: Subject, family: Family) -> str:
    """Scores before and after; empty where none were run."""
    scores = evidence.scores
    own = scores[scores["model"] == subject.id] if len(scores) else pd.DataFrame()
    if own.empty:
        return ""
    told = []
    for task, rows in own.groupby("task", sort=True):
        before, after = rows[rows["role"] == "base"], rows[rows["family"] == family.name]
        if len(before) and len(after):
            told.append(f"{task} {before['rate'].iloc[0]:.1%} to {after['rate'].iloc[0]:.1%}")
    return f"; benchmarks: {', '.join(told)}" if told else ""
