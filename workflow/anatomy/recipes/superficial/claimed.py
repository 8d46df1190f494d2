"""What claims of superficial knowledge are judged by: each function reads tables and gives the numbers of one test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.measures import Refusals, gap, paired_change
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.superficial.gains import selector_of
from anatomy.recipes.superficial.pairs import Pair
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS, BASE, EARLY, OWN_SAMPLES
from anatomy.recipes.superficial.stages.transfer import AS_IS, ATTACHED
from anatomy.statistics.clusters import Sample

Gather = Callable[[Tables], Contrast]


def refusal_change(read: Refusals, pair: Pair, head: str) -> Gather:
    """Refusals of a base with a head minus without it, request by request."""
    return lambda tables: paired_change(read, pair.base, selector_of(tables, pair, head, read.phase))(tables)


def harm_gap(harmful: Refusals, benign: Refusals, pair: Pair, head: str) -> Gather:
    """Refusals of harmful requests minus of benign ones, with a head."""
    return lambda tables: gap(harmful, benign, pair.base, selector_of(tables, pair, head, harmful.phase))(tables)  # type: ignore[return-value]


def first_tokens(pair: Pair, first: int) -> Gather:
    """Divergence of base and aligned model on the first tokens of each answer, minus on its later ones."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("kl", model=pair.aligned, head=BASE, texts=ALIGNED_ANSWERS)
        signed = rows.assign(value=np.where(rows["position"] < first, rows["kl"], -rows["kl"]))
        items = signed.groupby(["set", "id"]).agg(value=("value", "sum"), group=("group", "first"))
        return Contrast(Sample(items["value"].to_numpy(np.float64), items["group"].to_numpy(object)))

    return gather


def _by_answer(tables: Tables, pair: Pair, head: str, texts: str) -> Sample:
    rows = tables.rows("kl", model=pair.aligned, head=head, texts=texts)
    items = rows.groupby(["set", "id"]).agg(value=("kl", "mean"), group=("group", "first"))
    return Sample(items["value"].to_numpy(np.float64), items["group"].to_numpy(object))


def divergence(pair: Pair, head: str, texts: str) -> Gather:
    """Mean divergence from the aligned model of each answer with a head, in nats a token."""
    return lambda tables: Contrast(_by_answer(tables, pair, head, texts))


def beside_early(pair: Pair, head: str) -> Gather:
    """Divergence with the control head on an early layer minus with a head on the last states, answer by answer."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("kl", model=pair.aligned, texts=ALIGNED_ANSWERS)
        rows = rows[rows["head"].isin([EARLY, head])]
        means = rows.pivot_table(index=["set", "id"], columns="head", values="kl", aggfunc="mean").dropna()
        if not {EARLY, head} <= set(means.columns):
            raise MissingEvidence(
                found=f"divergences of {sorted(means.columns)}",
                expected=f"of {EARLY} and {head}",
                where=f"table kl of {pair.aligned}",
                because="no head was trained on an early layer",
            )
        groups = rows.drop_duplicates(["set", "id"]).set_index(["set", "id"])["group"].loc[means.index]
        return Contrast(Sample((means[EARLY] - means[head]).to_numpy(np.float64), groups.to_numpy(object), signed=True))

    return gather


def _family_refusals(config: Config, pair: Pair, tables: Tables) -> tuple[pd.DataFrame, pd.Series]:
    """Refusal of each harmful request by each model and arm, and the request's group."""
    rows = tables.rows("transfer", model=pair.aligned, set=config.evaluation.harmful)
    wide = rows.pivot_table(index="id", columns=["target", "arm"], values="value")
    return wide, rows.drop_duplicates("id").set_index("id")["group"].loc[wide.index]


def way_to_go(config: Config, pair: Pair, target: str) -> Gather:
    """Refusals of the aligned model minus of another of the family, as they are."""

    def gather(tables: Tables) -> Contrast:
        refused, groups = _family_refusals(config, pair, tables)
        values = refused["aligned", AS_IS] - refused[target, AS_IS]
        return Contrast(Sample(values.to_numpy(np.float64), groups.to_numpy(object), signed=True))

    return gather


def brought_by_transfer(config: Config, pair: Pair, target: str, share: float) -> Gather:
    """Refusals that the transferable head brings to a model, minus a share of the way to the aligned one."""

    def gather(tables: Tables) -> Contrast:
        refused, groups = _family_refusals(config, pair, tables)
        way = refused["aligned", AS_IS] - refused[target, AS_IS]
        values = refused[target, ATTACHED] - refused[target, AS_IS] - share * way
        return Contrast(Sample(values.to_numpy(np.float64), groups.to_numpy(object), signed=True))

    return gather


def exposure(pair: Pair, head: str) -> Gather:
    """Divergence with a head on the head's own answers, against on the aligned model's."""
    return lambda tables: Contrast(_by_answer(tables, pair, head, OWN_SAMPLES), _by_answer(tables, pair, head, ALIGNED_ANSWERS))
