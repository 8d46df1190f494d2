"""The papers' numbers beside ours, where the same model was pruned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN

SHARE, SPARSITY, ANSWERED = "share of weights (%)", "sparsity (%)", "vanilla"
"""Sources of published numbers that ours have a counterpart of: see ``beside_published``."""
REFUSAL = "ability.refusal"
EVERY = "all"
"""Model of a number that is said of all models of a paper."""


def beside_published(published: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Published numbers with ours of the same model, and what ours is of.

    The share of weights stands beside that of the chosen mask (in per cent of the scored matrices); what removing refusal does
    (sparsity, and harmful requests that are answered: ``vanilla``) beside the mask of refusals, which is measured in memory, at
    fractions of our own. Numbers said of all models stand once for each of ours. Ours is empty where the model was not pruned.

    Args:
        published: columns ``table, model, source, arm, value``.
    """
    try:
        ours = sorted(tables.rows("masks")["model"].unique())
    except MissingEvidence:
        ours = []
    rows = []
    for row in published.itertuples():
        for model in ours if row.model == EVERY else [row.model]:
            value, of = _ours(tables, str(model), str(row.source)) if model in ours else (np.nan, "")
            named = {"table": row.table, "model": model, "source": row.source, "arm": row.arm, "published": row.value}
            rows.append({**named, "ours": value, "ours_of": of})
    return pd.DataFrame(rows, columns=["table", "model", "source", "arm", "published", "ours", "ours_of"])


def _ours(tables: Tables, model: str, source: str) -> tuple[float, str]:
    name = {SHARE: CHOSEN, SPARSITY: REFUSAL, ANSWERED: REFUSAL}.get(source)
    masks = tables.rows("masks", model=model)
    mask = masks[masks["mask"] == name]
    if mask.empty:
        return np.nan, ""
    of = f"{name}, p {100 * mask['p'].item():g} % q {100 * mask['q'].item():g} %"
    if source == ANSWERED:
        rows = tables.rows("values", model=model, mask=name, ability="refusal")
        return 1 - float(rows["value"].mean()), of
    return 100 * float(mask["share"].item()), of
