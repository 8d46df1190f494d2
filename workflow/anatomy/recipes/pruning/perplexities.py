"""Perplexity of fixed texts under every mask, beside the unedited model's and that under controls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.pruning.stages.mask_plans import UNEDITED
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import Interval, mean_interval

MASK = ["control", "q", "p", "protected", "weights"]
COLUMNS = [
    *("model", "split", "text", "mask", *MASK),
    *("perplexity", "low", "high", "times", "times_low", "times_high", "tokens", "texts", "clusters"),
]


def perplexity_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Perplexity of each kind of text under every mask of the grid and of the test, and how many times the unedited model's.

    Both are exponentials of means over all tokens of all texts (``stages.read_texts``), of nats and of their changes text by
    text; intervals resample groups, so that long texts weigh as their tokens do.

    Returns:
        ``COLUMNS``; the unedited model has ``times`` 1. A mask under which a text has no finite likelihood has no row.
    """
    parts = []
    for split, read, masks in (("select", "grid_nats", "grid_masks"), ("test", "mask_nats", "masks")):
        rows = tables.named.get(read, pd.DataFrame())
        if rows.empty:
            continue
        found = []
        for (model, text), own in rows.groupby(["model", "text"], sort=False):
            unedited = own[own["mask"] == UNEDITED].set_index("id")["nats"]
            for mask, one in own.groupby("mask", sort=False):
                if np.isfinite(one["nats"]).all():
                    found.append({"model": model, "split": split, "text": text, "mask": mask} | _numbers(config, one, unedited))
        parts.append(pd.DataFrame(found).merge(tables.rows(masks)[["model", "mask", *MASK]], on=["model", "mask"], how="left"))
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _numbers(config: Config, texts: pd.DataFrame, unedited: pd.Series) -> dict[str, float]:
    whole = _over_tokens(config, texts, texts["nats"].to_numpy(np.float64))
    change = _over_tokens(config, texts, (texts["nats"] - unedited.loc[texts["id"]].to_numpy()).to_numpy(np.float64))
    with np.errstate(over="ignore"):
        perplexity, times = np.exp([whole.estimate, whole.low, whole.high]), np.exp([change.estimate, change.low, change.high])
    numbers = dict(zip(("perplexity", "low", "high", "times", "times_low", "times_high"), [*perplexity, *times], strict=True))
    return {**numbers, "tokens": whole.n, "texts": len(texts), "clusters": whole.clusters}


def _over_tokens(config: Config, texts: pd.DataFrame, nats: np.ndarray) -> Interval:
    """Mean over tokens: a text counts once a token, and stays whole where groups are resampled."""
    wanted, tokens = config.statistics, texts["n_tokens"].to_numpy(np.int64)
    sample = Sample(np.repeat(nats, tokens), np.repeat(texts["group"].to_numpy(object), tokens), amounts=True)
    return mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
