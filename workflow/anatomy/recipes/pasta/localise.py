"""Rules of the search: curves over layers, each detector's choice and how sure it is. Pure tables.

The paper takes the layer with the lowest mean detector score on the training prefixes. A layer of which a
detector scores no text is not among its choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from anatomy.config.schema import Statistics
from anatomy.statistics.clusters import cluster_sums, resample_weights
from anatomy.statistics.intervals import percentile_bounds

CURVES = ["detector", "family", "category", "control", "control_seed", "layer", "mean", "low", "high", "n", "failed"]
LAYERS = ["detector", "family", "category", "control", "control_seed", "layer", "mean", "share", "chosen", "n"]
SWAP = ["selector", "detector", "layer", "mean", "best", "unedited"]
EVERY = ""
"""Category of a curve over all domains."""


def scored_layers(scores: pd.DataFrame, variants: pd.DataFrame, categories: pd.Series) -> pd.DataFrame:
    """Scores of the searches' texts: one row a text and detector with its variant's ``family, layer, control, control_seed``.

    Args:
        scores: judgements of the detectors on the select split.
        variants: the variants table of the select split.
        categories: domain of each prefix, by id.
    """
    swept = variants[variants["family"].isin(["sweep", "in_domain"])]
    table = scores.merge(swept[["variant", "family", "layer", "control", "control_seed"]], on="variant")
    return table.assign(category=table["id"].map(categories))


def curves(scored: pd.DataFrame, statistics: Statistics) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Full curves with intervals, and the choice of each with its bootstrap.

    Returns:
        Curves ``detector, family, category, control, control_seed, layer, mean, low, high, n, failed``, and layers ``..., layer,
        mean, share, chosen, n``: ``share`` of the bootstrap draws over groups of prefixes in which the layer is chosen.
    """
    rows, chosen = [], []
    for key, part in _searches(scored):
        layers = sorted(map(int, part["layer"].unique()))
        known = part[part["score"].notna()]
        if known.empty:
            continue
        draws = _drawn_means(known, layers, statistics)
        means = np.array([known.loc[known["layer"] == layer, "score"].mean() for layer in layers])
        choices = np.nanargmin(np.where(np.isnan(draws), np.inf, draws), axis=1)
        best = int(np.nanargmin(means))
        for place, layer in enumerate(layers):
            column = draws[:, place][~np.isnan(draws[:, place])]
            low, high = percentile_bounds(column, statistics.confidence) if len(column) else (np.nan, np.nan)
            count = int((known["layer"] == layer).sum())
            failed = int((part["layer"] == layer).sum()) - count
            rows.append((*key, int(layer), means[place], low, high, count, failed))
            chosen.append((*key, int(layer), means[place], float((choices == place).mean()), place == best, count))
    return pd.DataFrame(rows, columns=CURVES), pd.DataFrame(chosen, columns=LAYERS)


def swap_matrix(layers: pd.DataFrame, unedited: dict[str, float]) -> pd.DataFrame:
    """Each detector's score at the layer that each detector chooses: the select split's half of the detector swap.

    Args:
        layers: as ``curves`` gives them.
        unedited: mean score without ablation, by detector.
    """
    whole = layers[(layers["family"] == "sweep") & (layers["category"] == EVERY) & (layers["control"] == "")]
    rows = []
    for choice in whole[whole["chosen"]].itertuples():
        at = whole[whole["layer"] == choice.layer]
        for other in at.itertuples():
            best = whole.loc[whole["detector"] == other.detector, "mean"].min()
            rows.append((choice.detector, other.detector, choice.layer, other.mean, best, unedited[other.detector]))
    return pd.DataFrame(rows, columns=SWAP)


def _searches(scored: pd.DataFrame) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """Each search: the sweep over all domains and inside each, its controls, and directions of one domain inside it."""
    for (detector, family), part in scored.groupby(["detector", "family"]):
        for (control, number), drawn in part.groupby(["control", "control_seed"]):
            if family == "sweep":
                yield (detector, family, EVERY, control, int(number)), drawn
            if control == "":
                for category, inside in drawn.groupby("category"):
                    yield (detector, family, category, control, int(number)), inside


def _drawn_means(known: pd.DataFrame, layers: Sequence[int], statistics: Statistics) -> Float[np.ndarray, "resample layer"]:
    """Mean of each layer in each bootstrap draw of groups; the same draw for all layers. NaN where no text was drawn."""
    codes, labels = pd.factorize(known["group"])
    sums, counts = [], []
    for layer in layers:
        here = (known["layer"] == layer).to_numpy()
        total, count = (
            cluster_sums(known["score"].where(here, 0.0).to_numpy(), codes, len(labels))[0],
            cluster_sums(here.astype(float), codes, len(labels))[0],
        )
        sums.append(total)
        counts.append(count)
    found = []
    for weights in resample_weights(len(labels), statistics.bootstrap, statistics.seed):
        drawn = weights @ np.stack(counts, 1)
        found.append(np.where(drawn > 0, (weights @ np.stack(sums, 1)) / np.maximum(drawn, 1), np.nan))
    return np.concatenate(found)
