"""Evidence of PASTA: texts of two variants, of one model or of two, compared prefix by prefix or as sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Choices, Contrast, Summaries
from anatomy.evidence.claims.measures import JudgeScores, Refusals
from anatomy.evidence.claims.outcomes import change, to_sample
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.pasta.localise import EVERY
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import Interval
from anatomy.texts.authors import HUMAN

PHASE = "test"


@dataclass(frozen=True)
class Texts:
    """Texts of one variant of one model.

    Attributes:
        slug: what the recipe calls the variant: ``base`` is the unedited model, ``human`` the humans' own continuations.
    """

    model: str
    slug: str = "base"

    def variant(self, tables: Tables) -> str:
        """Id of the variant.

        Raises:
            MissingEvidence: the run has none of that name.
        """
        if self.slug == HUMAN:
            return HUMAN
        return str(tables.rows("variants", model=self.model, phase=PHASE, slug=self.slug)["variant"].iloc[0])


@dataclass(frozen=True)
class Labelled:
    """Reads whether a judge gives a label, such as ``opened``: 1.0 or 0.0."""

    prompts: str
    judge: str
    label: str
    phase: str = PHASE

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        rows = tables.rows("judgements", model=model, variant=variant, set=self.prompts, judge=self.judge, phase=self.phase)
        found = rows.assign(value=(rows["label"] == self.label).astype(np.float64))
        return found.set_index("id")[["value", "group"]].sort_index()


@dataclass(frozen=True)
class Detected:
    """Reads a detector's scores, higher for more machine-like, of the texts that it could score; with `whether` 1.0 where it
    could. Degenerate texts are not scored (the paper's own rule): how many are lost is a claim of its own."""

    prompts: str
    detector: str
    whether: bool = False
    phase: str = PHASE

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        rows = tables.rows("judgements", model=model, variant=variant, set=self.prompts, judge=self.detector, phase=self.phase)
        scored = rows["score"].notna() & ~rows["parse_failure"].astype(bool)
        kept = rows.assign(value=scored.astype(np.float64)) if self.whether else rows[scored].assign(value=rows["score"])
        return kept.set_index("id")[["value", "group"]].astype({"value": "float64"}).sort_index()


Reader = Refusals | JudgeScores | Labelled | Detected
LEAST_SHARED = 0.75
"""Share of prompts that have to be scored on both sides of a comparison of detections; no other comparison may lose as many."""


def read_texts(read: Reader, texts: Texts, tables: Tables) -> pd.DataFrame:
    """One outcome a prompt: columns value and group, indexed by id."""
    return read(tables, texts.model, texts.variant(tables))


def changed(read: Reader, first: pd.DataFrame, second: pd.DataFrame, where: str) -> Sample:
    """second - first of the prompts that both have.

    Raises:
        MissingEvidence: too few prompts are on both sides.
    """
    if not isinstance(read, Detected):
        return change(first, second, where=where)
    shared, every = first.index.intersection(second.index), first.index.union(second.index)
    if len(shared) < LEAST_SHARED * len(every) or not len(shared):
        raise MissingEvidence(
            found=f"{len(shared)} of {len(every)} texts scored on both sides",
            where=where,
            expected=f"at least {LEAST_SHARED:.0%} of them scored by {read.detector}",
        )
    return change(first.loc[shared], second.loc[shared], where=where)


def level(read: Reader, texts: Texts) -> Callable[[Tables], Contrast]:
    """The mean outcome of one variant's texts."""
    return lambda tables: Contrast(to_sample(read_texts(read, texts, tables)))


def between(read: Reader, before: Texts, after: Texts, controls: Sequence[str] = ()) -> Callable[[Tables], Contrast]:
    """The change from one to the other, paired by prompt; with that of each control (slugs of `after`'s model) that there is."""

    def gather(tables: Tables) -> Contrast:
        first = read_texts(read, before, tables)
        where = f"{after.slug} of {after.model} against {before.slug} of {before.model}"
        sample = changed(read, first, read_texts(read, after, tables), where)
        means = []
        for slug in controls:
            try:
                control = read_texts(read, Texts(after.model, slug), tables)
                means.append(changed(read, first, control, f"control {slug}").mean)
            except MissingEvidence:
                continue
        return Contrast(sample, controls=np.array(means, dtype=np.float64), baseline=to_sample(first))

    return gather


def by_wording(read: Reader, before: Texts, after: Texts, styled: Sequence[str]) -> Callable[[Tables], Contrast]:
    """The change on prompts of some templates minus that on prompts of all others; the template ends a prompt's id."""

    def gather(tables: Tables) -> Contrast:
        first, second = (read_texts(read, texts, tables) for texts in (before, after))
        inside = first.index.str.rpartition("/").get_level_values(2).isin(styled)
        if inside.all() or not inside.any():
            raise MissingEvidence(
                found=f"{int(inside.sum())} of {len(first)} prompts with these wordings",
                expected="some with and some without",
                where=f"set {read.prompts}",
            )
        one, two = (
            change(first[part], second[second.index.isin(first.index[part])], where=read.prompts) for part in (inside, ~inside)
        )
        return Contrast(one, two)

    return gather


def summaries(measure: str, before: Texts, after: Texts, domain: str = "all") -> Callable[[Tables], Summaries]:
    """A measure of whole sets of texts, before and after; the latter of the pair's aligned model, whose references both have."""

    def gather(tables: Tables) -> Summaries:
        return Summaries(*(_measured(tables, after.model, measure, texts, domain) for texts in (after, before)))

    return gather


def summary(measure: str, texts: Texts, domain: str = "all") -> Callable[[Tables], Interval]:
    """A measure of one set of texts, of a pair's aligned model."""
    return lambda tables: _measured(tables, texts.model, measure, texts, domain)


def _measured(tables: Tables, pair: str, measure: str, texts: Texts, domain: str) -> Interval:
    where = {"pair": pair, "model": texts.model, "variant": texts.variant(tables), "domain": domain, "measure": measure}
    row = tables.rows("measures", **where).iloc[0]
    if row[["value", "low", "high"]].isna().any():
        raise MissingEvidence(found="no number", expected=f"{measure} with an interval", where=f"{texts.slug} of {texts.model}")
    return Interval(float(row["value"]), float(row["low"]), float(row["high"]), int(row["n"]), int(row["n"]))


def chosen_layers(model: str, detectors: Sequence[str]) -> Callable[[Tables], Choices]:
    """The layer that each detector chooses over all domains, with the shares of its bootstrap."""

    def gather(tables: Tables) -> Choices:
        rows = tables.rows("layers", model=model, family="sweep", category=EVERY, control="")
        table = rows[rows["detector"].isin(detectors)].pivot(index="detector", columns="layer", values="share").fillna(0.0)
        if len(table) < 2:
            raise MissingEvidence(found=f"{len(table)} detectors", expected="at least two", where=f"layers of {model}")
        best = rows[rows["chosen"]].set_index("detector")["layer"]
        layers = [int(layer) for layer in table.columns]
        return Choices(
            tuple(table.index),
            tuple(layers),
            tuple(layers.index(int(best[name])) for name in table.index),
            table.to_numpy(np.float64),
        )

    return gather
