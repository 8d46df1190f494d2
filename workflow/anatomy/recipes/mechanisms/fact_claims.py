"""Sentences about facts in a model; rules were written before their first run."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.interventions.instruments.recovery_over_pairs import weighed, weights_of
from anatomy.recipes.mechanisms.claims import Gather, stated
from anatomy.recipes.mechanisms.samples import sample_of
from anatomy.recipes.mechanisms.shares import share_of
from anatomy.recipes.mechanisms.under_edits import CONTROL, DRAWN, OF_DIRECTION, OF_PAPERS

MARGIN = 0.1
"""Share of the rise of a fact's new object that unrelated facts may have too, or that may be lost under another edit."""
UNDER_EDITS = "mechanism battery, facts under edits"
"""Corrected on its own: the same question, once for every other edit."""
KINDS = ("fact", "random key")


def fact_claims(config: Config, subject: Subject) -> list[Claim]:
    """Claims about the facts of one model; none where no facts are asked for."""
    model = subject.id
    if config.mechanisms.facts is None:
        return []

    claim = functools.partial(stated, model)
    return [
        claim(
            "facts_in_mlps",
            "At a subject's last token MLPs carry its facts, and not attention; a fact is rewritten where its key is read.",
            "survey: knowledge editing; arXiv 2202.05262",
            Test(
                "difference_above",
                mlp_beyond_attention(model),
                {"threshold": 0},
                "recovery by the best block's MLP minus by the best block's attention at the subject's last token",
            ),
            Test(
                "difference_above",
                said_beyond_random_key(model),
                {"threshold": 0},
                "rise of the new object's log odds in the block that carries most, minus with a random key",
            ),
        ),
        claim(
            "fact_rewritten",
            "A rank-one change of one MLP says the new object in other wordings too, and leaves other facts as they were.",
            "survey: knowledge editing; arXiv 2202.05262",
            Test(
                "difference_above",
                said_otherwise(model),
                {"threshold": 0},
                "rise of the new object's log odds in other wordings, in the block that carries most",
            ),
            Test(
                "difference_above",
                kept_facts(model),
                {"threshold": 0},
                f"{MARGIN:g} of that rise after the statement, minus the rise after unrelated facts",
            ),
        ),
        claim(
            "fact_outlives",
            "A rewritten fact stays where refusal is injected into the same weights.",
            "ours",
            _outlives(model, "injection"),
        ),
        *(
            replace(
                claim(
                    f"fact_outlives.{under.replace(' ', '_').lower()}",
                    f"A rewritten fact stays where {words}.",
                    "ours",
                    _outlives(model, under),
                ),
                family=UNDER_EDITS,
            )
            for under, words in {**OF_DIRECTION, **OF_PAPERS}.items()
            if under != "injection"
        ),
    ]


def _outlives(model: str, under: str) -> Test:
    said = f"rise of the new object's log odds under the other edit, minus {1 - MARGIN:g} of the rise without it"
    if under in DRAWN:
        said += f"; beside it as control, {DRAWN[under]}"
    return Test("difference_above", outlives(model, under), {"threshold": 0, "shown": True}, said)


def _table(tables: Tables, name: str, model: str) -> pd.DataFrame:
    table = tables.named.get(name, pd.DataFrame(columns=["model"]))
    own = table[table["model"] == model]
    if own.empty:
        raise MissingEvidence(
            found="no facts",
            expected="at least two",
            where=model,
            because="no facts of this model were told (mechanisms.facts.own), it states too few rightly, or none has a contrary "
            "subject of as many tokens",
        )
    return own


def best_layer(tables: Tables, model: str) -> int:
    """The block whose MLP carries most of the facts at the subject's last token: summed effects, as for pairs of prompts."""
    rows = _table(tables, "fact_patches", model)
    return int(weighed(rows[rows["part"] == "mlp"]).groupby("layer")["recovery"].mean().idxmax())


def mlp_beyond_attention(model: str) -> Gather:
    """Recovery by the MLP that carries most of the other facts minus by the attention that does, of all facts' difference."""

    def gather(tables: Tables) -> Contrast:
        rows = _table(tables, "fact_patches", model)
        mlp, attention = (where_others_are(weighed(rows[rows["part"] == part])) for part in ("mlp", "attention"))
        effect, weights = (mlp - attention).rename("value").reset_index(), weights_of(rows)
        effect["value"] /= effect["id"].map(weights).astype(float)
        return share_of(effect, weights, because="one fact cannot say where others are")

    return gather


def where_others_are(rows: pd.DataFrame) -> pd.Series:
    """Each fact's recovery at the block that has most of all other groups' facts: none chooses the place it is tested at."""
    wide = rows.pivot_table(index=["id", "group"], columns="layer", values="recovery")
    groups, values = wide.index.get_level_values("group").to_numpy(object), wide.to_numpy(float)
    found = np.full(len(wide), np.nan)
    for group in set(groups):
        own = groups == group
        if not own.all():
            found[own] = values[own, int(np.nanargmax(np.nanmean(values[~own], axis=0)))]
    return pd.Series(found, index=wide.index)


def _edited(tables: Tables, model: str, measure: str, kind: str = "fact", under: str = "") -> pd.DataFrame:
    rows = _table(tables, "fact_edits", model)
    keep = (rows["measure"] == measure) & (rows["kind"] == kind) & (rows["under"] == under)
    return rows[keep & (rows["layer"] == best_layer(tables, model))]


def said_beyond_random_key(model: str) -> Gather:
    """Rise of the margin after the statement, minus the same with a random key."""

    def gather(tables: Tables) -> Contrast:
        sides = [_edited(tables, model, "efficacy", kind).set_index(["id", "group"]) for kind in KINDS]
        rise = [side["after"] - side["before"] for side in sides]
        return sample_of((rise[0] - rise[1]).rename("value").reset_index())

    return gather


def said_otherwise(model: str) -> Gather:
    """Rise of the margin after paraphrases."""

    def gather(tables: Tables) -> Contrast:
        rows = _edited(tables, model, "paraphrase")
        return sample_of(rows.assign(value=rows["after"] - rows["before"]), because="no fact has another wording")

    return gather


def _rise(rows: pd.DataFrame) -> pd.Series:
    """Rise of the margin by an edit, mean over questions, fact by fact."""
    return (rows["after"] - rows["before"]).groupby([rows["id"], rows["group"]]).mean()


def kept_facts(model: str) -> Gather:
    """A share of the fact's rise minus the rise of the same object after unrelated facts."""

    def gather(tables: Tables) -> Contrast:
        own, others = (_rise(_edited(tables, model, measure)) for measure in ("efficacy", "unrelated"))
        return sample_of((MARGIN * own - others).rename("value").reset_index(), because="no fact has unrelated ones beside it")

    return gather


def outlives(model: str, under: str) -> Gather:
    """Rise of the margin where another edit acts too, minus most of the rise without it; at random as control.

    What an edit by a random direction of the same length takes away too was not taken away for being the refusal direction, nor
    what as many random weights take away for being those of a mask.
    """

    def gather(tables: Tables) -> Contrast:
        beside, control = (_edited(tables, model, "efficacy", under=name) for name in (under, under + CONTROL))
        if beside.empty:
            raise MissingEvidence(
                found=f"no facts beside {under}",
                expected="a picked direction, or an edit that another paper of the run made of the model",
                where=model,
                because="the search for a refusal direction ended without one, so that there is no other edit"
                if under in OF_DIRECTION
                else "no other paper of this run made such an edit of the model",
            )
        least = (1 - MARGIN) * _rise(_edited(tables, model, "efficacy"))
        found = sample_of((_rise(beside) - least).rename("value").reset_index())
        drawn = (_rise(control) - least).dropna()
        return found if drawn.empty else Contrast(found.sample, controls=np.array([drawn.mean()]))

    return gather


def facts_table(tables: Tables, model: str) -> pd.DataFrame:
    """What rewriting facts does in each layer: shares of facts said anew, of other wordings, and of unrelated facts that stay.

    Returns:
        Columns ``model, layer, kind, under, efficacy, paraphrase, unrelated, n``: ``under`` an edit that acts too.
    """
    rows = tables.named.get("fact_edits", pd.DataFrame(columns=["model"]))
    rows = rows[rows["model"] == model]
    if rows.empty:
        return pd.DataFrame(columns=["model", "layer", "kind", "under", "efficacy", "paraphrase", "unrelated", "n"])
    said = rows.assign(right=((rows["after"] > 0) == (rows["measure"] != "unrelated")).astype(float))
    keys = ["model", "layer", "kind", "under"]
    wide = said.pivot_table(index=keys, columns="measure", values="right").reset_index()
    return wide.merge(rows.groupby(keys)["id"].nunique().rename("n").reset_index(), on=keys)
