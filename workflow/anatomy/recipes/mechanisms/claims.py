"""Sentences of the mechanism battery as claims.

All rules were written before the recipe's first run, but for two: `model_refuses`, and that what a dose makes lean to refusal or
to an answer is then likelier to be that than not (`leaning`). The latter came after seeds 0 to 2 and 10 to 12, in whose bases a
dose moved the metric by a tenth and no refusal was near; no run was made with it before seeds 13 to 15.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.interventions.instruments.recovery_over_pairs import weights_of
from anatomy.recipes.mechanisms.profiles import PROBE, placements
from anatomy.recipes.mechanisms.samples import picked_place as _pick
from anatomy.recipes.mechanisms.samples import sample_of as _sample
from anatomy.recipes.mechanisms.shares import share_of
from anatomy.statistics.clusters import Sample

PAPER = "mechanism battery"
Gather = Callable[[Tables], Contrast]
CHANCE = 0.5
"""AUROC without any information: a bag of words below it is no easier to beat."""


def stated(model: str, name: str, sentence: str, source: str, *tests: Test) -> Claim:
    """A claim of the battery about one model: its sentence, where it stands, and the tests that have to hold together."""
    return Claim(f"mechanisms.{name}", PAPER, sentence, source, PAPER, model, tests, False)


def sides_differ(model: str) -> Test:
    """That there is something to bring back: without it shares of the refusal metric mean nothing."""
    said = "refusal metric of harmful minus harmless prompts of equal length"
    return Test("difference_above", refusal_gap(model), {"threshold": 0}, said, premise=True)


def model_refuses(model: str) -> Test:
    """That there is a refusal to bring back or to take away: two kinds of prompt may differ in a metric and both be answered.

    Asked beside `sides_differ` of every sentence about refusal; the rule came after the runs of seeds 0 to 2, whose first base
    refuses nothing, tells the sides apart all the same and passed what a base is meant to fail.
    """
    said = "refusal metric of harmful prompts of pairs, which is above 0 where refusing is likelier than not"
    return Test("difference_above", refusal_level(model), {"threshold": 0}, said, premise=True)


def claims_of(config: Config, subject: Subject) -> list[Claim]:
    """Every claim about one model."""
    wanted, model = config.mechanisms, subject.id

    claim = functools.partial(stated, model)
    differs, refused = sides_differ(model), model_refuses(model)
    return [
        claim(
            "decodable",
            "A probe on the stream tells harmful from harmless prompts of groups that it has not seen better than the words do.",
            "survey: observational techniques",
            Test(
                "difference_above",
                probe_gain(model, "bag_of_words"),
                {"threshold": 0},
                "AUROC, probe minus the better of words and chance",
            ),
        ),
        claim(
            "selective",
            "The probe reads more from the true labels than from labels that were shuffled among groups.",
            "ours (control)",
            Test("difference_above", probe_gain(model, "shuffled"), {"threshold": 0}, "AUROC, probe minus shuffled labels"),
        ),
        claim(
            "causal",
            "Putting the stream of a refused prompt in at the picked direction's place brings back most of the refusal.",
            "survey: sub-structures are identifiable and causal",
            differs,
            refused,
            Test("difference_above", recovery_at_pick(model), {"threshold": wanted.causal}, "share of the metric brought back"),
            Test(
                "difference_above",
                recovery_beyond_others(model),
                {"threshold": 0},
                "minus the mean over the layer's other tokens from the first on that differs",
            ),
        ),
        claim(
            "needed",
            "Putting the stream of an answered prompt in at that place takes most of the refusal away.",
            "survey: sub-structures are identifiable and causal",
            differs,
            refused,
            Test(
                "difference_above",
                recovery_at_pick(model, "noise"),
                {"threshold": wanted.causal},
                "share of the metric that is lost",
            ),
        ),
        claim(
            "first_order",
            "Attribution patching ranks places as patching does.",
            "survey: attribution patching",
            differs,
            Test(
                "difference_above", ranked_alike(model), {"threshold": wanted.alike}, "rank correlation over places, pair by pair"
            ),
        ),
        claim(
            "onset",
            "Refusal is settled late: half the way through its blocks the model would refuse less than half as likely as in the "
            "end.",
            "ours (depth at which refusal is settled)",
            differs,
            refused,
            Test(
                "difference_above", late(model), {"threshold": 0}, "half of the final probability minus the lens's at half depth"
            ),
        ),
        claim(
            "written",
            "What blocks write along the refusal direction tells the two kinds of prompt apart more than along a random one.",
            "ours (control)",
            differs,
            Test(
                "difference_above", written_along(model), {"threshold": 0}, "summed contributions, refusal minus random direction"
            ),
        ),
        claim(
            "steered",
            "Adding the direction makes harmless requests lean to refusal, more than a random one of the same length.",
            "survey: steering",
            Test("difference_above", dose_gain(model, "harmless", 1.0), {"threshold": 0}, "rise of the metric, minus random"),
            Test("difference_above", leaning(model, "harmless", 1.0), {"threshold": 0}, "metric under the dose"),
        ),
        claim(
            "steered_back",
            "Subtracting it makes harmful requests lean to an answer, more than a random one of the same length.",
            "survey: steering",
            differs,
            refused,
            Test(
                "difference_above",
                dose_gain(model, "harmful", -1.0),
                {"threshold": 0},
                "fall of the metric, minus random",
            ),
            Test("difference_above", leaning(model, "harmful", -1.0), {"threshold": 0}, "minus the metric under the dose"),
        ),
    ]


def refusal_gap(model: str) -> Gather:
    """Metric of the clean run minus of the corrupt one, pair by pair."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("patching", model=model, way="denoise").drop_duplicates("id")
        return _sample(rows.assign(value=rows["clean"] - rows["corrupt"]))

    return gather


def refusal_level(model: str) -> Gather:
    """Metric of the clean run, pair by pair."""
    return lambda tables: _sample(tables.rows("patching", model=model, way="denoise").drop_duplicates("id"), "clean")


def probe_gain(model: str, control: str) -> Gather:
    """AUROC of the probe at the layer in the middle minus the control's, prompt by prompt."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("probes", model=model, probe=PROBE)
        middle = int(rows["layer"].max()) // 2
        own = placements(rows[(rows["layer"] == middle) & (rows["control"] == "")])
        if control == "shuffled":
            dealt = placements(rows[(rows["layer"] == middle) & (rows["control"] == "shuffled")])
            one, two = (
                Sample(side["value"].to_numpy(np.float64), side["group"].to_numpy(object), signed=True) for side in (own, dealt)
            )
            return Contrast(one, two)
        words = placements(tables.rows("probes", model=model, probe="bag_of_words"))
        if words["value"].mean() < CHANCE:
            words = words.assign(value=CHANCE)
        both = own.merge(words[["id", "label", "value"]], on=["id", "label"], suffixes=("", "_words"))
        return _sample(both.assign(value=both["value"] - both["value_words"]))

    return gather


def _streams(tables: Tables, model: str, way: str) -> tuple[pd.DataFrame, int]:
    position, layer = _pick(tables, model)
    return tables.rows("patching", model=model, part="stream", way=way, layer=layer), position


def recovery_at_pick(model: str, way: str = "denoise") -> Gather:
    """Recovery by the stream at the picked place, of all pairs' difference."""

    def gather(tables: Tables) -> Contrast:
        rows, position = _streams(tables, model, way)
        return share_of(rows[rows["column"] == position], weights_of(rows), "recovery")

    return gather


def where_runs_differ(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of tokens at which a pair's two runs differ: before the first one every patch changes exactly nothing.

    A template or a system prompt that both prompts share would be a control without content, and places that all agree on.
    """
    moved = rows["recovery"].ne(0).groupby([rows["id"], rows["column"]], dropna=False).transform("any")
    return rows[moved]


def recovery_beyond_others(model: str) -> Gather:
    """The same minus the mean over the other tokens of that layer at which the pair's runs differ."""

    def gather(tables: Tables) -> Contrast:
        rows, position = _streams(tables, model, "denoise")
        rows = where_runs_differ(rows)
        at, others = rows[rows["column"] == position], rows[rows["column"] != position]
        mean = others.groupby("id")["recovery"].mean()
        return share_of(at.assign(value=at["recovery"] - at["id"].map(mean)), weights_of(rows))

    return gather


def ranked_alike(model: str) -> Gather:
    """Rank correlation of predicted and true recovery over the places of a pair at which its runs differ."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("patching", model=model, way="denoise").dropna(subset=["recovery", "predicted"])
        rows = where_runs_differ(rows)
        found = [
            (own["id"].iloc[0], own["group"].iloc[0], own["recovery"].corr(own["predicted"], method="spearman"))
            for _, own in rows.groupby("id", sort=False)
        ]
        return _sample(pd.DataFrame(found, columns=["id", "group", "value"]))

    return gather


def late(model: str) -> Gather:
    """Half of the final probability of refusal tokens minus the lens's at half depth, of harmful prompts."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("lens", model=model, lens="logit", side="harmful")
        last = int(rows["layer"].max())
        wide = rows.pivot_table(index=["id", "group"], columns="layer", values="probability").reset_index()
        return _sample(wide.assign(value=wide[last] / 2 - wide[last // 2]))

    return gather


def written_along(model: str) -> Gather:
    """Difference of what the two prompts of a pair have along the refusal direction, minus its size along the random one."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("direct", model=model)
        wide = rows.pivot_table(index=["id", "group"], columns="direction", values="contribution", aggfunc="sum").reset_index()
        if "refusal" not in wide:
            raise MissingEvidence(
                found="no refusal direction",
                expected="one",
                where=model,
                because="the search for a refusal direction ended without one",
            )
        return _sample(wide.assign(value=wide["refusal"] - wide["random"].abs()))

    return gather


def dose_gain(model: str, side: str, dose: float) -> Gather:
    """Change of the metric by one dose in the dose's own direction, minus the size of that by the random direction."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("steering", model=model, side=side)
        wide = rows.pivot_table(index=["id", "group", "direction"], columns="dose", values="metric")
        moved = (wide[dose] - wide[0.0]).unstack("direction").reset_index()
        return _sample(moved.assign(value=(1 if dose > 0 else -1) * moved["refusal"] - moved["random"].abs()))

    return gather


def leaning(model: str, side: str, dose: float) -> Gather:
    """Metric under a dose of the refusal direction, above 0 where refusing is likelier than not; its negative for one below 0."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("steering", model=model, side=side, direction="refusal", dose=dose)
        return _sample(rows.assign(value=(1 if dose > 0 else -1) * rows["metric"]))

    return gather
