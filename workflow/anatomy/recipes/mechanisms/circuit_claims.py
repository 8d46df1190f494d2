"""Sentences about single heads, their paths and learned subspaces as claims; all rules were written before the first run.

The gate is chosen on fit pairs, by what its exchange does both ways and not by what it writes; claims read test pairs.
"""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.interventions.instruments.recovery_over_pairs import weights_of
from anatomy.recipes.mechanisms.claims import Gather, model_refuses, sides_differ, stated
from anatomy.recipes.mechanisms.shares import share_of

GATE = "arXiv 2604.04385, abstract: a gate that output attribution misses triggers later heads"


def circuit_claims(config: Config, subject: Subject) -> list[Claim]:
    """Every claim about paths and subspaces of one model."""
    model, paths = subject.id, config.mechanisms.paths

    differs, refused = sides_differ(model), model_refuses(model)

    def claim(name: str, sentence: str, source: str, *tests: Test) -> Claim:
        return stated(model, name, sentence, source, differs, refused, *tests)

    return [
        claim(
            "gate",
            "The head that refusal turns on most (below the last block) hardly writes it: it works through later heads.",
            GATE,
            Test("difference_above", head_beyond_random(model, "noise"), {"threshold": 0}, "share lost, gate minus random heads"),
            Test(
                "difference_above",
                head_beyond_random(model, "denoise"),
                {"threshold": 0},
                "share brought back, gate minus random heads",
            ),
            Test(
                "difference_above",
                through_later_heads(model, paths.mediated),
                {"threshold": 0},
                f"share lost through attention of later blocks, minus {paths.mediated:g} of all that is lost",
            ),
            Test(
                "difference_within",
                written_directly(model),
                {"margin": paths.direct, "side": "both"},
                "share lost with nothing after the head",
            ),
        ),
        claim(
            "routed",
            "What the heads that matter most send to single later heads brings refusal back, more than what random heads send.",
            "survey: circuit discovery",
            Test("difference_above", edges_beyond_random(model), {"threshold": 0}, "summed edges, top minus random heads"),
        ),
        claim(
            "subspace",
            f"A subspace of rank {config.mechanisms.interchange.rank} learned on other pairs carries most of the refusal.",
            "survey: sub-structures are identifiable and causal",
            Test(
                "difference_above",
                exchanged(model, "learned"),
                {"threshold": config.mechanisms.causal},
                "share of the metric brought back",
            ),
            *(
                Test("difference_above", exchanged(model, "learned", other), {"threshold": 0}, f"minus {words}")
                for other, words in (
                    ("dealt", "a subspace that learned outcomes dealt at random"),
                    ("random", "random subspaces of its rank"),
                    ("random_length", "random changes of its length"),
                )
            ),
        ),
    ]


def _paths(tables: Tables, model: str, way: str, path: str) -> pd.DataFrame:
    return tables.rows("paths", model=model, way=way, path=path)


def _beyond(rows: pd.DataFrame, own: pd.DataFrame) -> Contrast:
    """Sum of a pair's own rows minus the mean over its random heads, as a share of all pairs' difference."""
    keys = ["id", "group"]
    random = rows[rows["role"] == "random"].groupby([*keys, "sender_layer", "sender_head"])["recovery"].sum(min_count=1)
    if random.empty:
        raise MissingEvidence(found="no random heads", expected="at least one beside the top ones", where="table paths")
    mean = random.groupby(keys).mean().rename("random")
    sums = own.groupby([*keys, "sender_layer", "sender_head"])["recovery"].sum(min_count=1).groupby(keys).mean()
    both = pd.concat([sums.rename("own"), mean], axis=1).reset_index()
    return share_of(both.assign(value=both["own"] - both["random"]), weights_of(rows))


def head_beyond_random(model: str, way: str) -> Gather:
    """Recovery by the gate minus the mean of random heads'."""

    def gather(tables: Tables) -> Contrast:
        rows = _paths(tables, model, way, "total")
        return _beyond(rows, rows[rows["place"] == 1])

    return gather


def through_later_heads(model: str, share: float) -> Gather:
    """What the gate's exchange takes away through attention of later blocks, minus a share of all that it takes away."""

    def gather(tables: Tables) -> Contrast:
        rows = _paths(tables, model, "noise", "total")
        whole, rest = (
            one[one["place"] == 1].set_index(["id", "group"])["recovery"]
            for one in (rows, _paths(tables, model, "noise", "without_heads"))
        )
        return share_of((whole - rest - share * whole).rename("value").reset_index(), weights_of(rows))

    return gather


def written_directly(model: str) -> Gather:
    """What the gate's exchange takes away where only the output head sees it."""

    def gather(tables: Tables) -> Contrast:
        rows = _paths(tables, model, "noise", "direct")
        return share_of(rows[rows["place"] == 1], weights_of(rows), "recovery")

    return gather


def edges_beyond_random(model: str) -> Gather:
    """Summed recovery over a head's edges, mean over top heads minus mean over random ones, of all pairs' difference."""

    def gather(tables: Tables) -> Contrast:
        rows = _paths(tables, model, "denoise", "edge")
        return _beyond(rows, rows[rows["role"] == "top"])

    return gather


def exchanged(model: str, subspace: str, other: str | None = None) -> Gather:
    """Recovery by an exchanged subspace, denoising, minus the mean of another kind's, of all pairs' difference."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("interchange", model=model, way="denoise")
        wide = rows.pivot_table(index=["id", "group"], columns="subspace", values="recovery").reset_index()
        if subspace not in wide:
            raise MissingEvidence(
                found="no finite value", expected="one a pair", where="interchange", because="both prompts have the same metric"
            )
        return share_of(wide.assign(value=wide[subspace] - (wide[other] if other is not None else 0.0)), weights_of(rows))

    return gather
