"""The matrices of transfer and of overlap, cell by cell against random masks of their size.

Were scores no better than chance, a mask would be one more random mask. Its mean outcome then differs from that of D random ones
by an error with the variance ``s^2 (1 + 1/D)``, ``s`` their standard deviation, whatever the number of prompts: Student's t with
D - 1 degrees of freedom (the prediction of one more draw). Intervals and p-values have it beside the resampling of things. Of one
random mask nothing is known of ``s``, and none is added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum, inf

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.pruning.outcomes import Gather
from anatomy.recipes.pruning.stages.mask_plans import BARE, CHOSEN, NEAREST, RANDOM, UNEDITED, matched
from anatomy.recipes.pruning.tables import rates
from anatomy.statistics.clusters import Sample
from anatomy.statistics.multiplicity import holm_adjust
from anatomy.statistics.paired import difference_interval, sign_flip_p

OTHERS = "other kinds"
"""Column of the matrix of transfer that puts together what a mask of one kind leaves of all others."""


def transfer_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Harmful generation of each kind with the mask of each, and the change against random masks of the same size.

    Of its own kind a mask is asked the test split alone; of others whatever was asked, which it never saw: of kinds that were not
    scored the prompts of every split.

    Returns:
        Columns ``model, pruned, asked, rate, low, high, n, clusters, random, change, change_low, change_high, p_value,
        p_adjusted``: ``p_value`` of the sign-flip test over things that a mask leaves less harm than random ones, exact where
        these all leave as much, ``p_adjusted`` by Holm's method over a model's cells. Cells of n things have no p below 2^-n.
    """
    rows = tables.rows("values", ability="generation")
    names = rows.loc[rows["mask"].str.startswith("kind."), "mask"].unique()
    parts = []
    for mask in (UNEDITED, CHOSEN, NEAREST, *names):
        own, kind = rows[rows["mask"] == mask], str(mask).removeprefix("kind.")
        if own.empty:
            continue
        single = kind != mask
        own = own[(own["split"] == "test") | (single & (own["category"] != kind))]
        asked = [own.assign(asked=own["category"])]
        if single:
            asked.append(own[own["category"] != kind].assign(asked=OTHERS))
        parts.append(pd.concat(asked).assign(pruned=kind))
    every = pd.concat(parts)
    found = rates(config, every, ["model", "pruned", "asked"])
    tested = [_against_random(config, rows, cell) for _, cell in every.groupby(["model", "pruned", "asked"], sort=False)]
    found = pd.concat([found, pd.DataFrame(tested, columns=list(TESTED))], axis=1)
    found["p_adjusted"] = found.groupby("model")["p_value"].transform(lambda one: holm_adjust(one.to_numpy(np.float64)))
    return found.sort_values("asked", key=lambda asked: asked == OTHERS, kind="stable", ignore_index=True)


TESTED = ("random", "change", "change_low", "change_high", "p_value")


@dataclass(frozen=True)
class Changes:
    """Prompt by prompt, a mask's outcome minus the mean over its draws of random masks.

    Attributes:
        table: columns ``value, random, group``.
        variance: of the error that one more random mask's mean has, besides that of prompts; 0 where one was drawn.
        freedom: its degrees of freedom.
    """

    table: pd.DataFrame
    variance: float
    freedom: float


@dataclass(frozen=True)
class AgainstDraws(Contrast):
    """A paired change that keeps what its sample's mean errs by besides its clusters."""

    def negated(self) -> AgainstDraws:
        """The same with its sign turned."""
        return replace(self, sample=replace(self.sample, values=-self.sample.values), controls=-self.controls)


def pooled(several: Sequence[Changes]) -> Sample:
    """Changes of several masks as one sample; variances add up, their degrees of freedom by Satterthwaite (1946)."""
    table = pd.concat([one.table for one in several])
    parts = [((len(one.table) / len(table)) ** 2 * one.variance, one.freedom) for one in several if one.variance > 0]
    variance = fsum(part for part, _ in parts)
    freedom = variance**2 / fsum(part**2 / degrees for part, degrees in parts) if parts else inf
    values, groups = table["value"].to_numpy(np.float64), table["group"].to_numpy(object)
    return Sample(values, groups, signed=True, error=variance**0.5, freedom=freedom)


def _against_random(config: Config, rows: pd.DataFrame, cell: pd.DataFrame) -> dict[str, float]:
    """What a cell has beside random masks; nothing for the unedited model, or where none was asked."""
    wanted, changes = config.statistics, _changes(rows, cell)
    if changes is None:
        return dict.fromkeys(TESTED, np.nan)
    sample = pooled([changes])
    got = difference_interval(sample, None, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap).interval
    fewer = replace(sample, values=-sample.values)
    p_value = sign_flip_p(fewer, alternative="greater", seed=wanted.seed, resamples=wanted.bootstrap)
    numbers = (float(changes.table["random"].mean()), got.estimate, got.low, got.high, p_value)
    return dict(zip(TESTED, numbers, strict=True))


def _changes(rows: pd.DataFrame, cell: pd.DataFrame) -> Changes | None:
    """What a mask changes beside random ones of its size; None for the unedited model, or where none was asked."""
    model, mask = cell["model"].iloc[0], str(cell["mask"].iloc[0])
    of = RANDOM if mask in (CHOSEN, NEAREST) else matched(mask)
    names = rows["mask"].str.fullmatch(rf"{re.escape(of)}-\d+")
    beside = rows[names & (rows["model"] == model)].pivot_table(index="id", columns="mask", values="value")
    own = cell.set_index("id")
    shared = own.index.intersection(beside.index)
    if mask == UNEDITED or not len(shared):
        return None
    return beside_draws(own.loc[shared], beside.loc[shared])


def beside_draws(own: pd.DataFrame, drawn: pd.DataFrame) -> Changes:
    """What a mask changes beside random ones.

    Args:
        own: its outcomes, columns ``value, group``.
        drawn: outcomes of the same items, a column for each random mask.
    """
    random, number = drawn.mean(axis=1), drawn.shape[1]
    table = pd.DataFrame({"value": own["value"] - random, "random": random, "group": own["group"]})
    variance = float(drawn.mean().var(ddof=1)) * (1 + 1 / number) if number > 1 else 0.0
    return Changes(table, variance, float(number - 1))


def transferred(model: str) -> Gather:
    """Harmful generation of all kinds but the one that was scored, with each kind's mask minus with a random one of its size."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("values", model=model, ability="generation")
        parts = []
        for mask in rows.loc[rows["mask"].str.startswith("kind."), "mask"].unique():
            own = rows[(rows["mask"] == mask) & (rows["category"] != str(mask).removeprefix("kind."))]
            changes = _changes(rows, own) if len(own) else None
            if changes is not None:
                parts.append(changes)
        if not parts:
            raise MissingEvidence(
                found="no mask of one kind of harm that was asked about another, with a random one beside it",
                expected="one",
                where=f"masks of {model}",
                because="answers were scored of fewer than two kinds of harm",
            )
        return AgainstDraws(pooled(parts))

    return gather


def overlaps_table(tables: Tables) -> pd.DataFrame:
    """Overlap of every two masks beside that of random masks of their sizes; ``p_adjusted`` by Holm over a model's pairs.

    Without those of masks from which nothing was taken out: the claim on overlaps reads them.
    """
    rows = tables.rows("overlaps")
    rows = rows[~rows["one"].str.endswith(BARE)].reset_index(drop=True)
    adjusted = rows.groupby("model")["p_value"].transform(lambda one: holm_adjust(one.to_numpy(np.float64)))
    return rows.assign(p_adjusted=adjusted)
