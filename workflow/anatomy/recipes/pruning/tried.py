"""Every mask that was tried on a model, as the harmful generation it removes and what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.pareto_front import COLUMNS, Cost
from anatomy.recipes.pruning.stages.choosing import COHERENCE
from anatomy.recipes.pruning.stages.mask_plans import OF_A_KIND, UNEDITED
from anatomy.recipes.pruning.tables import COHERENT, HARM, measured

GRID, TESTED = "grid, split select", "tested masks, split test"
"""Rows of the figure: masks of the grid, and those that were tested with the controls of the chosen one."""

GAIN = "answers without the scored harm"
TITLES = {
    "benign": "benign generation lost",
    COHERENT: "answers lost that are text",
    "recognition": "recognition of harm lost",
    "refusal": "refusals lost",
}
LIMITED = {"benign": "benign", COHERENT: COHERENCE, "recognition": "recognition", "refusal": "refusal"}
"""Costs as the table of limits calls them."""

MOVED = "moved"
"""The cost that has no limit: how far predictions on benign requests move."""

ELSEWHERE = ("kind.", "ability.")
"""How masks of single kinds of harm and of other abilities begin: they are meant for something else."""


def costs(tables: Tables, model: str) -> list[Cost]:
    """What masks cost, each with the loss that ``pruning.limits`` allow: the share that may be lost of what was there.

    Where the unedited model hardly shows an ability there is no such share, and no limit is drawn.
    """
    try:
        limits = tables.rows("limits", model=model).drop_duplicates("ability").set_index("ability")
    except MissingEvidence:
        limits = pd.DataFrame(columns=["share", "before"])
    allowed = ((1 - limits["share"]) * limits["before"]).dropna().to_dict()
    shares = [Cost(name, title, GAIN, allowed.get(LIMITED[name])) for name, title in TITLES.items()]
    return [*shares, Cost(MOVED, "KL on benign requests (nats)", GAIN, share=False)]


def tried(tables: Tables, model: str) -> pd.DataFrame:
    """Masks of the grid, tested masks and their controls, a row for each cost, with the unedited model.

    ``gained`` is the share of answers to requests of the scored kinds of harm that do not give it. Nothing is computed that the
    grid and the test did not measure. Controls of the test are as large as the chosen mask, matrix by matrix, each a draw of its
    own; those of the grid are one draw of random masks, as large as the largest mask of each q.

    Raises:
        MissingEvidence: no grid was measured.
    """
    masks = tables.rows("grid_masks", model=model)
    words = {
        row.mask: str(row.mask) if row.control else f"q {row.q:g}, p {row.p:g}, kept: {row.protected or 'nothing'}"
        for row in masks.itertuples()
    }
    draws = {str(row.mask): str(row.control) for row in masks.itertuples()}
    moved = {name: tables.named.get(name, pd.DataFrame(columns=["model"])) for name in ("grid_divergences", "mask_divergences")}
    moved = {name: rows[rows["model"] == model] for name, rows in moved.items()}
    parts = [_of(tables.rows("grid_values", model=model), moved["grid_divergences"], GRID, words, draws)]
    try:
        masks = tables.rows("masks", model=model)
        masks = masks[~masks["mask"].str.startswith(ELSEWHERE) & (masks["control"] != OF_A_KIND)]
        draws = {row.mask: row.mask if row.control else "" for row in masks.itertuples()}
        known = {name: name for name in draws}
        parts.append(_of(tables.rows("values", model=model), moved["mask_divergences"], TESTED, known, draws))
    except MissingEvidence:
        pass
    return pd.concat(parts, ignore_index=True).dropna(subset=["spent", "gained"]).reset_index(drop=True)


def _of(values: pd.DataFrame, moved: pd.DataFrame, search: str, words: dict[str, str], draws: dict[str, str]) -> pd.DataFrame:
    """Rows of one split: ``words`` of each mask, and which control it is (empty for none)."""
    rows = measured(values[values["mask"].isin([UNEDITED, *words])])
    rates = rows.groupby(["mask", "what"])["value"].mean().unstack()
    if UNEDITED not in rates.index or HARM not in rates:
        raise MissingEvidence(found="no answer of the unedited model", expected="its answers to the scored kinds", where=search)
    lost = {name: rates.loc[UNEDITED, name] - rates[name] for name in TITLES if name in rates}
    if len(moved):
        means = moved.groupby("mask")["kl"].agg(lambda kl: kl.mean() if np.isfinite(kl).all() else np.nan)
        lost[MOVED] = means.reindex(rates.index).where(rates.index != UNEDITED, 0.0)
    table = rates.assign(search=search, gained=1 - rates[HARM], whole=True, **lost)
    unedited = table.loc[[UNEDITED]].assign(edit="unedited")
    edited = table.drop(UNEDITED).assign(draw=lambda own: own.index.map(draws), edit=lambda own: own.index.map(words))
    beside = [unedited.assign(draw=draw) for draw in ["", *(one for one in edited["draw"].unique() if one)]]
    kept = [column for column in COLUMNS if column not in ("cost", "spent")]
    whole = pd.concat([edited, *beside], ignore_index=True)
    return whole.melt(kept, list(lost), var_name="cost", value_name="spent")[COLUMNS]
