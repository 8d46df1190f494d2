"""Functions that gather evidence: each returns a callable from tables, to be named in a claim's tests.

Readers (`Refusals`, `JudgeScores`, `Metric`) say which set, judge and phase; selectors say which variants. A recipe combines them
and needs no table code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Contrast, Count, Levels, Scores, Steps
from anatomy.evidence.claims.outcomes import change, metric_values, refusals, scores, to_sample
from anatomy.evidence.claims.tables import BASE, MissingEvidence, Tables, VariantSelector, find_controls, find_variant

Evidence = Contrast | Count | Levels | Scores | Steps
Gatherer = Callable[[Tables], Evidence]


@dataclass(frozen=True)
class Refusals:
    """Reads refusals of a prompt set; with `comply` their complement."""

    prompts: str
    judge: str
    phase: str
    comply: bool = False

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        where = {"model": model, "variant": variant, "prompts": self.prompts, "judge": self.judge, "phase": self.phase}
        read = tables.remembered(("refusals", *where.values()), lambda: refusals(tables, **where))
        return read.assign(value=1.0 - read["value"]) if self.comply else read


@dataclass(frozen=True)
class JudgeScores:
    """Reads a judge's scores of a prompt set."""

    prompts: str
    judge: str
    phase: str

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        return scores(tables, model=model, variant=variant, prompts=self.prompts, judge=self.judge, phase=self.phase)


@dataclass(frozen=True)
class Metric:
    """Reads a benchmark metric."""

    task: str
    metric: str
    phase: str

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        return metric_values(tables, model=model, variant=variant, task=self.task, metric=self.metric, phase=self.phase)


def level(read: Refusals | JudgeScores | Metric, model: str, selector: VariantSelector = BASE) -> Gatherer:
    """The mean outcome of one variant."""

    def gather(tables: Tables) -> Contrast:
        variant = find_variant(tables, model, selector, read.phase)["variant"]
        return Contrast(to_sample(read(tables, model, variant)))

    return gather


def paired_change(
    read: Refusals | JudgeScores | Metric,
    model: str,
    after: VariantSelector,
    *,
    before: VariantSelector = BASE,
    controls: bool = False,
) -> Callable[[Tables], Contrast]:
    """Per-item change from one variant to another; with the same change of each control where asked."""

    def gather(tables: Tables) -> Contrast:
        first = read(tables, model, find_variant(tables, model, before, read.phase)["variant"])
        method = find_variant(tables, model, after, read.phase)
        where = f"{model} {after.describe()} against {before.describe()}"
        sample = change(first, read(tables, model, method["variant"]), where=where)
        found = find_controls(tables, method) if controls else []
        means = [change(first, read(tables, model, name), where=f"control {name} of {model}").mean for name in found]
        return Contrast(sample, controls=np.array(means, dtype=np.float64), baseline=to_sample(first))

    return gather


def gap(read: Refusals, other: Refusals, model: str, selector: VariantSelector = BASE) -> Gatherer:
    """Difference of two prompt sets under one variant, such as harmful minus benign refusal."""

    def gather(tables: Tables) -> Contrast:
        variant = find_variant(tables, model, selector, read.phase)["variant"]
        return Contrast(to_sample(read(tables, model, variant)), to_sample(other(tables, model, variant)))

    return gather


def gap_of_changes(
    read: Refusals, other: Refusals, model: str, after: VariantSelector, *, before: VariantSelector = BASE, controls: bool = False
) -> Gatherer:
    """Change on one prompt set minus the change on another: whether an edit is selective."""
    one = paired_change(read, model, after, before=before, controls=controls)
    two = paired_change(other, model, after, before=before, controls=controls)

    def gather(tables: Tables) -> Contrast:
        first, second = one(tables), two(tables)
        return Contrast(first.sample, second.sample, first.controls - second.controls, first.baseline)

    return gather


def ordered_gaps(read: Refusals, other: Refusals, models: Sequence[str]) -> Gatherer:
    """Differences between neighbouring models of the gap between two prompt sets, unedited."""

    def gather(tables: Tables) -> Steps:
        variants = [find_variant(tables, model, BASE, read.phase)["variant"] for model in models]
        sides = [
            [reader(tables, model, variant) for model, variant in zip(models, variants, strict=True)] for reader in (read, other)
        ]
        steps = []
        for i in range(len(models) - 1):
            where = f"{models[i + 1]} against {models[i]}"
            one, two = (change(side[i], side[i + 1], where=where) for side in sides)
            steps.append(Contrast(one, two))
        return Steps(tuple(models), tuple(steps))

    return gather


def changes_along(read: Refusals, models: Sequence[str], after: VariantSelector) -> Gatherer:
    """The change that one edit brings, item by item, in each of several ordered models."""

    def gather(tables: Tables) -> Levels:
        columns = []
        groups: dict[str, object] = {}
        for model in models:
            first = read(tables, model, find_variant(tables, model, BASE, read.phase)["variant"])
            second = read(tables, model, find_variant(tables, model, after, read.phase)["variant"])
            columns.append((second["value"] - first["value"]).dropna().rename(model))
            groups |= first["group"].to_dict()
        table = pd.concat(columns, axis=1, join="inner")
        if table.empty:
            raise MissingEvidence(found="no item in all models", expected="the same items", where=", ".join(models))
        return Levels(tuple(models), table.to_numpy(np.float64), np.array([groups[i] for i in table.index], object))

    return gather


def separation(model: str, positive: str, negative: str, layer_of: VariantSelector, phase: str) -> Gatherer:
    """Projections of two prompt sets at the layer that a variant's direction was taken from."""

    def gather(tables: Tables) -> Scores:
        base = find_variant(tables, model, BASE, phase)["variant"]
        layer = find_variant(tables, model, layer_of, phase)["layer"]
        if pd.isna(layer):
            raise MissingEvidence(found="no layer", expected="a selected direction", where=f"{model} {layer_of.describe()}")
        rows = [
            tables.rows("projections", model=model, variant=base, set=name, layer=int(layer)) for name in (positive, negative)
        ]
        both = pd.concat(rows)
        return Scores(
            both["projection"].to_numpy(np.float64), np.arange(len(both)) < len(rows[0]), both["group"].to_numpy(object)
        )

    return gather


def dropped(grid: pd.DataFrame) -> pd.Series:
    """How many cells of a selection grid each part of the rule dropped, the most first; on how many prompts is left out."""
    reasons = grid.loc[~grid["kept"].astype(bool), "reason"]
    return reasons.str.replace(r" on \d+ prompts", "", regex=True).value_counts()


def kept_cells(model: str, contrast: str | None = None) -> Gatherer:
    """How many cells of a selection grid survived; a grid without scores was not searched and says nothing."""

    def gather(tables: Tables) -> Count:
        where = {"model": model} | ({} if contrast is None else {"contrast": contrast})
        rows = tables.rows("grid", **where)
        if not np.isfinite(rows[["bypass", "induce"]].to_numpy(np.float64)).any():
            raise MissingEvidence(
                found=f"{len(rows)} candidate directions of {model}, none with a finite score",
                expected="scores of what ablating and adding each one does",
                where="this run",
                because=tables.why_absent(model, "grid"),
            )
        kept = rows["kept"].astype(bool)
        reasons = dropped(rows)
        note = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        return Count(int(kept.sum()), len(rows), note)

    return gather
