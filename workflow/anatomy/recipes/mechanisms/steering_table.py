"""What each way of steering does, with intervals over groups of prompts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.mechanisms.stages.suppression import UNEDITED
from anatomy.recipes.mechanisms.steering_figures import KEYS
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import Interval, mean_interval

COLUMNS = ["model", *KEYS, "side", "quantity", "value", "low", "high", "n", "groups"]


def steered(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Mean refusal metric and KL on each side, and perplexity of harmless answers, under every way, direction and dose.

    Perplexity is ``exp`` of the mean loss over all tokens: a group weighs as its tokens do where groups are resampled.

    Returns:
        ``COLUMNS``; no row where nothing was steered, nor of numbers of which one is not finite.
    """
    prompts, answers = (tables.named.get(name, pd.DataFrame(columns=["model"])) for name in ("modes", "steered_answers"))
    found = []
    for quantity in ("metric", "kl"):
        own = prompts[prompts["model"] == model]
        for key, rows in _steered(own, [*KEYS, "side"]):
            values = rows[quantity].to_numpy(np.float64)
            if not np.isfinite(values).all():
                continue
            got = _interval(config, values, rows["group"])
            found.append((model, *key, quantity, got.estimate, got.low, got.high, rows["id"].nunique(), got.clusters))
    for key, rows in _steered(answers[answers["model"] == model], KEYS):
        tokens = rows["tokens"].to_numpy(np.int64)
        losses = np.repeat(rows["nll"].to_numpy(np.float64), tokens)
        if not np.isfinite(losses).all():
            continue
        got = _interval(config, losses, rows["group"].repeat(tokens))
        with np.errstate(over="ignore"):
            numbers = np.exp([got.estimate, got.low, got.high])
        found.append((model, *key, "harmless answers", "perplexity", *numbers, rows["id"].nunique(), got.clusters))
    return pd.DataFrame(found, columns=COLUMNS)


def _steered(rows: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[object, ...], pd.DataFrame]]:
    """Rows of each combination of columns, without the unedited model's."""
    if rows.empty:
        return []
    return [(key, own) for key, own in rows[rows["mode"] != UNEDITED].groupby(keys, sort=False)]


def _interval(config: Config, values: np.ndarray, groups: pd.Series) -> Interval:
    wanted = config.statistics
    sample = Sample(values, groups.to_numpy(object), amounts=True)
    return mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
