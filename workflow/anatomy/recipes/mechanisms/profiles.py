"""What each instrument says of each layer, pair by pair, so that instruments can be compared with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval

PROFILE = ["instrument", "layer", "id", "group", "value"]
PROBE = "logistic"
INSTRUMENTS = {
    "probe": "probe (AUROC)",
    "lens": "logit lens (rise of the metric)",
    "patch attention": "patching, attention",
    "patch mlp": "patching, MLP",
    "patch stream": "patching, stream at the last token (rise)",
    "predict attention": "attribution patching, attention",
    "predict mlp": "attribution patching, MLP",
    "direct": "direct attribution along the direction",
}
"""Instruments and what their profile is made of."""
SITES = ("attention", "mlp")


def profiles(tables: Tables, model: str) -> pd.DataFrame:
    """Profiles of a model: columns ``instrument, layer, id, group, value``, a row a harmful prompt and block.

    A patched part counts with all its tokens together; what only grows with depth (lens, stream) counts with its rise.
    """
    parts = [_probe(tables.rows("probes", model=model, probe=PROBE, control=""))]
    if not _has(tables, "patching", model):
        return parts[0]
    rows = tables.rows("patching", model=model, way="denoise")
    for part in SITES:
        own = rows[rows["part"] == part]
        for column, name in (("recovery", "patch"), ("predicted", "predict")):
            sums = own.groupby(["layer", "id", "group"], sort=False)[column].sum(min_count=1).rename("value").reset_index()
            parts.append(sums.assign(instrument=f"{name} {part}"))
    last = rows[(rows["part"] == "stream") & (rows["column"] == -1)]
    parts.append(_rise(last.rename(columns={"recovery": "value"}), 1.0).assign(instrument="patch stream"))
    lens = tables.rows("lens", model=model, lens="logit", side="harmful")
    parts.append(_rise(lens.rename(columns={"metric": "value"}), None).assign(instrument="lens"))
    if _has(tables, "direct", model, direction="refusal"):
        direct = tables.rows("direct", model=model, direction="refusal")
        sums = direct[direct["layer"] >= 0].groupby(["layer", "id", "group"], sort=False)["contribution"].sum()
        parts.append(sums.rename("value").reset_index().assign(instrument="direct"))
    return pd.concat([part[PROFILE] for part in parts], ignore_index=True)


def _has(tables: Tables, table: str, model: str, **where: object) -> bool:
    frame = tables.named.get(table)
    if frame is None or frame.empty:
        return False
    keep = frame["model"] == model
    for column, value in where.items():
        keep &= frame[column] == value
    return bool(keep.any())


def _probe(rows: pd.DataFrame) -> pd.DataFrame:
    """For each harmful prompt the share of harmless ones that score below it: their mean is the AUROC."""
    parts = []
    for layer, own in rows.groupby("layer", sort=True):
        parts.append(above_negatives(own).assign(layer=layer, instrument="probe"))
    return pd.concat(parts, ignore_index=True)[PROFILE]


def above_negatives(scores: pd.DataFrame) -> pd.DataFrame:
    """Of each positive prompt the share of negative ones that score below it, ties half: columns ``id, group, value``."""
    label = scores["label"].to_numpy(bool)
    low = scores["score"].to_numpy(float)[~label]
    own = scores[label]
    high = own["score"].to_numpy(float)[:, None]
    return own[["id", "group"]].assign(value=((high > low).mean(1) + (high == low).mean(1) / 2))


def _rise(rows: pd.DataFrame, end: float | None) -> pd.DataFrame:
    """What each block adds to a value that is known before every block.

    Args:
        end: the value after the last block; None where a row of that layer has it.
    """
    wide = rows.pivot_table(index=["id", "group"], columns="layer", values="value")
    values = wide.to_numpy(float)
    after = np.full((len(values), 1), end) if end is not None else values[:, :0]
    rises = np.diff(np.concatenate([values, after], axis=1), axis=1)
    frame = pd.DataFrame(rises, index=wide.index, columns=range(rises.shape[1]))
    return frame.rename_axis(columns="layer").stack().rename("value").reset_index()


def profile_table(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Mean of each instrument's value at each layer with its interval, and as a share of the instrument's largest.

    Returns:
        Columns ``model, instrument, layer, value, low, high, n, share, top``.
    """
    wanted, found = config.statistics, []
    for (instrument, layer), own in profiles(tables, model).groupby(["instrument", "layer"], sort=False):
        sample = Sample(own["value"].to_numpy(np.float64), own["group"].to_numpy(object), signed=True)
        got = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
        found.append((model, instrument, layer, got.estimate, got.low, got.high, got.n))
    table = pd.DataFrame(found, columns=["model", "instrument", "layer", "value", "low", "high", "n"])
    level = table["value"].where(table["instrument"] != "probe", table["value"] - 0.5).clip(lower=0)
    most = level.groupby(table["instrument"]).transform("max")
    share = (level / most.where(most > 0)).fillna(0.0)
    return table.assign(share=share, top=share == 1.0)


def agreement_table(config: Config, tables: Tables, model: str, resamples: int = 500) -> pd.DataFrame:
    """Rank correlation over layers of every two instruments' mean profiles, with a percentile interval over groups of prompts.

    Returns:
        Columns ``model, one, two, rho, low, high, layers``.
    """
    own = profiles(tables, model)
    wide = {name: _matrix(part) for name, part in own.groupby("instrument", sort=False)}
    generator, names, rows = np.random.default_rng(config.statistics.seed), list(wide), []
    groups = {name: np.asarray(matrix.index.get_level_values("group")) for name, matrix in wide.items()}
    draws = {name: _resampled(matrix.to_numpy(float), groups[name], generator, resamples) for name, matrix in wide.items()}
    tail = 100 * (1 - config.statistics.confidence) / 2
    for place, one in enumerate(names):
        for two in names[place + 1 :]:
            shared = sorted(set(wide[one].columns) & set(wide[two].columns))
            columns = [[list(wide[name].columns).index(layer) for layer in shared] for name in (one, two)]
            rho = _rank_correlation(wide[one][shared].mean().to_numpy(), wide[two][shared].mean().to_numpy())
            several = [_rank_correlation(a, b) for a, b in zip(draws[one][:, columns[0]], draws[two][:, columns[1]], strict=True)]
            low, high = np.nanpercentile(several, [tail, 100 - tail]) if np.isfinite(several).any() else (np.nan, np.nan)
            rows.append((model, one, two, rho, low, high, len(shared)))
    return pd.DataFrame(rows, columns=["model", "one", "two", "rho", "low", "high", "layers"])


def _matrix(part: pd.DataFrame) -> pd.DataFrame:
    return part.pivot_table(index=["group", "id"], columns="layer", values="value").dropna()


def _resampled(values: np.ndarray, groups: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """Mean profiles of resampled groups [resample, layer]."""
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    weights = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return (weights @ sums) / (weights @ np.bincount(codes))[:, None]


def _rank_correlation(one: np.ndarray, two: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return float("nan")
    return float(spearmanr(one, two).statistic)
