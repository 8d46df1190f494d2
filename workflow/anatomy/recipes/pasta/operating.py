"""The operating point: the edit that leaves the fewest markers of style within limits on what it may cost. Pure tables.

Detectors do not decide: they are instruments, and an edit chosen by their score would be tuned against them. Style is counted by
a general list of markers (``anatomy.texts.diversity.style_markers.GENERAL``), the same for every model: nothing planted is looked
up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from anatomy.config.schema import Config
from anatomy.errors import DataError
from anatomy.interventions.edits.spec import HookSpec
from anatomy.recipes.pasta.judging import ACCURACY, OPENED, REFUSED, STYLE, refusal_judge
from anatomy.recipes.pasta.options import PastaLimits
from anatomy.texts.diversity.style_markers import GENERAL
from anatomy.texts.judges.verdict import KEYS

RISES = ("over_refusal", "degenerate")
"""Costs that rise; the others fall."""
LOSSES = ("accuracy", "refusal", *RISES)


def operating_point(candidates: pd.DataFrame, unedited: pd.Series, limits: PastaLimits) -> tuple[pd.DataFrame, str]:
    """The candidate with the fewest style markers among those that cost little enough.

    Args:
        candidates: one row a candidate: ``variant, markers, accuracy, refusal, over_refusal, degenerate``; ``accuracy`` NaN
            where nobody can judge it.
        unedited: the same of the unedited model.

    Returns:
        The table with ``allowed, picked``, a column ``<cost>_loss`` for each of ``LOSSES``, and why it ended so.
    """
    losses = {f"{name}_loss": (unedited[name] - candidates[name]) * (-1 if name in RISES else 1) for name in LOSSES}
    table = candidates.assign(**losses, picked=False)
    table["allowed"] = table["markers"].notna()
    for name in LOSSES:
        known = table[f"{name}_loss"].fillna(0.0) if name == "accuracy" else table[f"{name}_loss"]
        table["allowed"] &= known <= getattr(limits, name)
    better = table[table["allowed"] & (table["markers"] < unedited["markers"])].sort_values(
        ["markers", *losses], kind="stable"
    )  # of equal ones the cheapest
    if better.empty:
        reason = "no candidate within the limits" if not table["allowed"].any() else "none within the limits has fewer markers"
        return table, reason
    table.loc[better.index[0], "picked"] = True
    return table, "fewest style markers within the limits"


def measured_candidates(
    config: Config, variants: pd.DataFrame, continuations: pd.DataFrame, scores: pd.DataFrame, judgements: pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series]:
    """Every operating point that was tried, with measures that decide and measures that are only shown; the same of no edit.

    Args:
        variants: of the select phase.
        continuations: of its prefixes, with ``degenerate`` (why a text cannot be scored; empty where it can).
        scores: of the first detector.
        judgements: of refusal, and on the organism of accuracy and style.

    Returns:
        Columns ``variant, layer, strength, form, direction, direction_position, positions, detail`` and the measures ``markers``
        (those to be removed, mean of a continuation), ``degenerate`` (share), ``score, accuracy, refusal,
        over_refusal, opener``.
    """
    counts = [GENERAL.counts(text) for text in continuations["response"].fillna("")]
    counted = continuations.assign(
        markers=[sum(count[kind] for kind in config.pasta.removed_markers) for count in counts],
        degenerate=(continuations["degenerate"] != "").astype(float),
    )
    measured = counted.groupby("variant")[["markers", "degenerate"]].mean()
    measured["score"] = scores.groupby("variant")["score"].mean()
    benign, harmful = config.evaluation.benign, config.evaluation.harmful
    measured["accuracy"] = _mean(judgements, ACCURACY, benign)
    measured["refusal"] = _mean(judgements, refusal_judge(config), harmful, REFUSED)
    measured["over_refusal"] = _mean(judgements, refusal_judge(config), benign, REFUSED)
    measured["opener"] = _mean(judgements, STYLE, benign, (OPENED,))
    rows = variants[variants["family"].isin(["sweep", "operating"]) & (variants["role"] == "method")]
    edits = [only_edit(detail) for detail in rows["detail"]]
    table = rows[["variant", "layer", "strength", "detail"]].assign(
        form=["subtract" if edit["method"] == "add" else edit["method"] for edit in edits],
        direction=[edit["direction"]["contrast"] for edit in edits],
        direction_position=[edit["direction"]["position"] for edit in edits],
        positions=[edit["positions"] for edit in edits],
    )
    table = table.merge(measured, left_on="variant", right_index=True, how="left").reset_index(drop=True)
    return table, measured.loc["base"]


def only_edit(detail: str) -> HookSpec:
    """The edit of activations of a candidate, from the variants table's ``detail``.

    Raises:
        DataError: a stack of several edits, or none: an operating point is one edit.
    """
    edits: list[HookSpec] = json.loads(detail)
    if len(edits) != 1:
        raise DataError(found=f"{len(edits)} edits", expected="one", where=f"a candidate of the variants table, {detail}")
    return edits[0]


def _mean(judgements: pd.DataFrame, judge: str, prompts: str, labels: Sequence[str] | None = None) -> pd.Series:
    """Mean score by variant, or the share of some labels."""
    rows = judgements[(judgements["judge"] == judge) & (judgements["set"] == prompts)].drop_duplicates([*KEYS, "judge"])
    values = rows["score"] if labels is None else rows["label"].isin(labels).astype(float)
    return values.groupby(rows["variant"]).mean()
