"""Whether causal instruments find the selection's layer, and the blocks that training put refusal into; rules came first.

All places are counted as the selection counts them: layer l is the stream before block l. What block b writes stands in the
stream before block b + 1, so that a patch of block b counts as layer b + 1. Top layers are drawn again with the prompts' groups,
as the table of agreement does. What blocks take away is summed over prompts before it is a share of what the model refuses more
than its base: the mean of each prompt's own share is the share of the prompt on which both refuse nearly alike. A subspace is
exchanged at the picked place alone, and so has no top layer of its own. Steering by each layer's own direction is what the
selection scored on other prompts: its agreement says that the pick carries over, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast, Places
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.interventions.instruments.recovery_over_pairs import weighed
from anatomy.recipes.mechanisms.claims import dose_gain, model_refuses, sides_differ, stated
from anatomy.recipes.mechanisms.fact_claims import where_others_are
from anatomy.recipes.mechanisms.neighbours import GROWN_FROM
from anatomy.recipes.mechanisms.profiles import in_the_stream, matrix_of, profiles, resampled, steered_layers
from anatomy.recipes.mechanisms.samples import picked_place, sample_of

FAMILY = "mechanism battery, agreement"
"""On its own, for it is not corrected: a top layer has an interval and no p-value, and premises have none of the claim's."""
REACH = 1
"""Layers by which a top layer may miss: neighbours share most of their stream."""
CAUSAL = {
    "patch stream": "patching of the stream at the last token",
    "patch attention": "patching of attention",
    "patch mlp": "patching of MLPs",
    "paths": "exchange of whole heads",
    "steering": "steering by each layer's own direction",
}
"""Instruments that intervene, and how sentences call them."""
Gather = Callable[[Tables], Places]


def agreement_claims(config: Config, subject: Subject) -> list[Claim]:
    """Claims about one model: each causal instrument against the pick, and against what training is known to have changed."""
    model, found = subject.id, []
    trained = Test(
        "difference_above", refuses_more(subject), {"threshold": 0}, "refusal metric, model minus its base", premise=True
    )
    placed = Test(
        "difference_above",
        truth_has_a_place(subject),
        {"threshold": 0},
        "refusal metric that the block takes away which takes most of other groups' prompts, minus the mean over blocks",
        premise=True,
    )
    needed = (sides_differ(model), model_refuses(model))
    steers = replace(
        Test(
            "difference_above", dose_gain(model, "harmless", 1.0), {"threshold": 0}, "rise by the picked direction, minus random"
        ),
        premise=True,
    )
    for instrument, words in CAUSAL.items():
        premises = (*needed, steers) if instrument == "steering" else needed
        name = instrument.replace(" ", "_")
        found.append(
            stated(
                model,
                f"near_pick.{name}",
                f"By {words}, the top layer lies within {REACH} of the layer of this pick, taken as it is.",
                "ours (agreement of instruments)",
                *premises,
                Test(
                    "place_near",
                    top_beside_pick(config, model, instrument),
                    {"reach": REACH},
                    "top layer minus the layer of this pick, which is not drawn again",
                ),
            )
        )
        near = stated(
            model,
            f"near_truth.{name}",
            f"By {words}, the top layer lies within {REACH} of that of the block which refusal was trained into most.",
            "organism: the base that the model was trained from",
            *premises,
            trained,
            placed,
            Test(
                "place_near",
                top_beside_truth(config, subject, instrument),
                {"reach": REACH},
                "top layer minus the layer after the block whose exchange for the base's takes most of the refusal away",
            ),
        )
        found.append(replace(near, planted=True))
    return [replace(one, family=FAMILY) for one in found]


def instrument_matrix(tables: Tables, model: str, instrument: str) -> pd.DataFrame:
    """What an instrument says of each layer, prompt by prompt: rows by group and prompt, columns (layer, place in it).

    Raises:
        MissingEvidence: the instrument has nothing of the model.
    """
    if instrument == "steering":
        own = steered_layers(tables.rows("layer_steering", model=model)).assign(place=0)
    elif instrument == "paths":
        rows = weighed(tables.rows("paths", model=model, path="total", way="denoise"))
        own = rows.assign(layer=rows["sender_layer"] + 1, place=rows["sender_head"], value=rows["recovery"])
    elif instrument == "truth":
        rows = tables.rows("transplants", model=model)
        own = rows.assign(layer=rows["layer"] + 1, place=0, value=rows["taken"])
    else:
        rows = profiles(tables, model)
        rows = rows[rows["instrument"] == instrument]
        own = in_the_stream(rows).assign(place=0)
    matrix = matrix_of(own.assign(layer=list(zip(own["layer"].astype(int), own["place"].astype(int), strict=True))))
    if matrix.empty:
        raise MissingEvidence(
            found="no layer", expected="values of every layer", where=instrument, because="both prompts have the same metric"
        )
    return matrix


def _tops(config: Config, matrices: list[pd.DataFrame], whole: pd.Series | None = None) -> tuple[list[int], list[np.ndarray]]:
    """Top layer of each instrument, and in each draw of groups, which is one for all of them.

    Args:
        whole: what the last matrix's values are parts of, by group and prompt: a draw in which its sum is not above 0 has no top.
    """
    seed, draws = config.statistics.seed, config.statistics.bootstrap
    groups = [matrix.index.get_level_values("group").astype(str) for matrix in matrices]
    everyone = pd.Index(sorted(set().union(*groups)))
    weights = np.random.default_rng(seed).multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), size=draws)
    chosen, drawn = [], []
    for matrix, own in zip(matrices, groups, strict=True):
        layers = np.array([layer for layer, _ in matrix.columns])
        chosen.append(int(layers[matrix.to_numpy(float).mean(0).argmax()]))
        means = resampled(matrix.to_numpy(float), everyone.get_indexer(own), weights)
        known = np.isfinite(means).all(1)
        if whole is not None and matrix is matrices[-1]:
            parted = whole.reindex(matrix.index).to_numpy(float)[:, None]
            known &= resampled(parted, everyone.get_indexer(own), weights)[:, 0] > 0
        drawn.append(np.where(known, layers[np.where(known[:, None], means, 0.0).argmax(1)], np.nan))
    return chosen, drawn


def _places(matrix: pd.DataFrame, chosen: int, target: int, distances: np.ndarray) -> Places:
    kept = distances[np.isfinite(distances)]
    return Places(chosen, target, kept, len(matrix), matrix.index.get_level_values("group").nunique())


def top_beside_pick(config: Config, model: str, instrument: str) -> Gather:
    """The top layer of an instrument beside this pick's, which is taken as exact: the search is not drawn again with the prompts.

    The gather raises MissingEvidence where the published rule kept no direction: what is nearest to one is no pick.
    """

    def gather(tables: Tables) -> Places:
        _, layer = picked_place(tables, model)
        outcome = tables.rows("picked", model=model).iloc[0]["outcome"]
        if outcome != "picked":
            raise MissingEvidence(
                found=f"{outcome}",
                expected="a direction that the published rule keeps",
                where=f"the search of {model}",
                because=f"the search for a refusal direction kept none ({outcome}), so that there is no pick to agree with",
            )
        matrix = instrument_matrix(tables, model, instrument)
        (chosen,), (drawn,) = _tops(config, [matrix])
        return _places(matrix, chosen, layer, drawn - layer)

    return gather


def _require_truth(tables: Tables, subject: Subject) -> None:
    """Raise MissingEvidence where nothing says which blocks refusal was trained into."""
    if not subject.is_organism or subject.member == GROWN_FROM:
        why = "a base was not trained to refuse" if subject.is_organism else "of this model nothing was planted"
        raise MissingEvidence(
            found=why,
            expected="a member of the organism that was trained from its base",
            where=subject.id,
            because=f"{why}: only of the organism's trained members does the run know what was put into which block",
        )
    rows = tables.named.get("transplants")
    if rows is None or not (rows["model"] == subject.id).any():
        raise MissingEvidence(
            found="no exchanged blocks",
            expected="the base of the model in the run, and refusal tokens",
            where=subject.id,
            because="this run lacks the base of the model, or the model's refusal tokens",
        )


def _refused_more(tables: Tables, model: str) -> pd.Series:
    """Refusal metric of the model minus of its base, by group and prompt."""
    rows = tables.rows("transplants", model=model).drop_duplicates("id").set_index(["group", "id"])
    return rows["own"] - rows["base"]


def refuses_more(subject: Subject) -> Callable[[Tables], Contrast]:
    """Refusal metric of the model minus of its base: what blocks could take away."""

    def gather(tables: Tables) -> Contrast:
        _require_truth(tables, subject)
        return sample_of(_refused_more(tables, subject.id).rename("value").reset_index())

    return gather


def truth_has_a_place(subject: Subject) -> Callable[[Tables], Contrast]:
    """What the block takes away which takes most of other groups' prompts, minus the mean of what all blocks take.

    Refusal that training put evenly into all blocks has no place that an instrument could find.
    """

    def gather(tables: Tables) -> Contrast:
        _require_truth(tables, subject)
        rows = tables.rows("transplants", model=subject.id).rename(columns={"taken": "recovery"})
        most = where_others_are(rows)
        even = rows.groupby(["id", "group"])["recovery"].mean()
        return sample_of((most - even).rename("value").reset_index(), because="one group cannot say where others are")

    return gather


def top_beside_truth(config: Config, subject: Subject, instrument: str) -> Gather:
    """The top layer of an instrument beside that of the block whose exchange for its base's takes most of the refusal away."""

    def gather(tables: Tables) -> Places:
        _require_truth(tables, subject)
        own, truth = (instrument_matrix(tables, subject.id, name) for name in (instrument, "truth"))
        (chosen, target), (drawn, targets) = _tops(config, [own, truth], _refused_more(tables, subject.id))
        return _places(own, chosen, target, drawn - targets)

    return gather


def tops_table(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Top layer of each causal instrument, of the picked direction, and of the blocks that training put refusal into.

    Returns:
        Columns ``model, instrument, layer, low, high, n``: middle 95 % of the draws (or as `statistics.confidence` says).
    """
    names, found = {**CAUSAL, "truth": "exchange of blocks for the base's"}, []
    tail = (1 - config.statistics.confidence) / 2
    picked = tables.named.get("picked", pd.DataFrame(columns=["model"]))
    for row in picked[picked["model"] == model].itertuples():
        found.append((model, f"selection ({row.outcome})", row.layer, np.nan, np.nan, np.nan))
    for instrument, words in names.items():
        try:
            matrix = instrument_matrix(tables, model, instrument)
        except MissingEvidence:
            continue
        (chosen,), (drawn,) = _tops(config, [matrix], _refused_more(tables, model) if instrument == "truth" else None)
        known = drawn[np.isfinite(drawn)]
        low, high = np.quantile(known, [tail, 1 - tail], method="inverted_cdf") if known.size else (np.nan, np.nan)
        found.append((model, words, chosen, low, high, len(matrix)))
    return pd.DataFrame(found, columns=["model", "instrument", "layer", "low", "high", "n"])
