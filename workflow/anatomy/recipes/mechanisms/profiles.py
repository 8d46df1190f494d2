"""What each instrument says of each layer, pair by pair, so that instruments can be compared with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.interventions.instruments.recovery_over_pairs import weighed, weights_of
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.statistics.several_separations import won

PROFILE = ["instrument", "layer", "id", "group", "value"]
PROBE = "logistic"
INSTRUMENTS = {
    "probe": "probe (AUROC)",
    "lens": "logit lens (rise of the metric)",
    "tuned lens": "tuned lens (rise of the metric)",
    "patch attention": "patching, attention",
    "patch mlp": "patching, MLP",
    "patch stream": "patching, stream at the last token (rise)",
    "predict attention": "attribution patching, attention",
    "predict mlp": "attribution patching, MLP",
    "direct": "direct attribution along the direction",
    "steering": "steering before the block by its own direction",
    "truth": "block exchanged for the base's",
}
"""Instruments and what their profile is made of."""
BEFORE_BLOCK = ("probe", "steering")
"""Instruments whose layer l is the stream before block l. What others say of block l stands in the stream before block l + 1."""
SITES = ("attention", "mlp")


def profiles(tables: Tables, model: str) -> pd.DataFrame:
    """Profiles of a model: columns ``instrument, layer, id, group, value``, a row a prompt and block.

    A patched part counts with all its tokens together; what only grows with depth (lens, stream) counts with its rise.
    Patches are told in units of the pairs' mean difference: a pair whose runs hardly differ decides no mean. ``truth`` is what a
    block takes away of the metric that has its base's weights: of the organism alone, which the run knows the base of.
    """
    parts = [_probe(tables.rows("probes", model=model, probe=PROBE, control=""))]
    if not _has(tables, "patching", model):
        return parts[0]
    rows = tables.rows("patching", model=model, way="denoise")
    for part in SITES:
        own = weighed(rows[rows["part"] == part], ("recovery", "predicted"))
        for column, name in (("recovery", "patch"), ("predicted", "predict")):
            sums = own.groupby(["layer", "id", "group"], sort=False)[column].sum(min_count=1).rename("value").reset_index()
            parts.append(sums.assign(instrument=f"{name} {part}").dropna(subset=["value"]))
    last = rows[(rows["part"] == "stream") & (rows["column"] == -1)]
    rise = _rise(last.rename(columns={"recovery": "value"}), 1.0).assign(instrument="patch stream")
    parts.append(rise.assign(value=rise["value"] * rise["id"].map(weights_of(last))).dropna(subset=["value"]))
    for name, lens in (("lens", "logit"), ("tuned lens", "tuned")):
        if _has(tables, "lens", model, lens=lens, side="harmful"):
            read = tables.rows("lens", model=model, lens=lens, side="harmful").rename(columns={"metric": "value"})
            parts.append(_rise(read, None).assign(instrument=name))
    if _has(tables, "direct", model, direction="refusal"):
        direct = tables.rows("direct", model=model, direction="refusal")
        sums = direct[direct["layer"] >= 0].groupby(["layer", "id", "group"], sort=False)["contribution"].sum()
        parts.append(sums.rename("value").reset_index().assign(instrument="direct"))
    if _has(tables, "layer_steering", model):
        parts.append(steered_layers(tables.rows("layer_steering", model=model)).assign(instrument="steering"))
    if _has(tables, "transplants", model):
        taken = tables.rows("transplants", model=model)
        parts.append(taken.assign(value=taken["taken"], instrument="truth").dropna(subset=["value"]))
    return pd.concat([part[PROFILE] for part in parts], ignore_index=True)


def steered_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Rise of the metric by each layer's own direction minus the size of that by a random one: ``id, group, layer, value``."""
    wide = rows.pivot_table(index=["group", "id", "layer"], columns="direction", values="rise").reset_index()
    return wide.assign(value=wide["refusal"] - wide["random"].abs())[["id", "group", "layer", "value"]]


def _has(tables: Tables, table: str, model: str, **where: object) -> bool:
    frame = tables.named.get(table)
    if frame is None or frame.empty:
        return False
    keep = frame["model"] == model
    for column, value in where.items():
        keep &= frame[column] == value
    return bool(keep.any())


def _probe(rows: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for layer, own in rows.groupby("layer", sort=True):
        placed = placements(own)
        # Prompts of both kinds stand beside one another here, and two files may number theirs alike.
        named = placed["id"].astype(str) + np.where(placed["label"], " harmful", " harmless")
        parts.append(placed.assign(id=named, layer=layer, instrument="probe"))
    return pd.concat(parts, ignore_index=True)[PROFILE]


def placements(scores: pd.DataFrame) -> pd.DataFrame:
    """What each prompt, of either kind, adds to the AUROC: columns ``id, group, label, value``, whose mean is the AUROC.

    Each prompt's share of the other kind's that lies on its right side (ties half) is taken from the AUROC as far as its kind is
    frequent, so that the spread of the mean is the AUROC's own, over both kinds (DeLong, DeLong & Clarke-Pearson 1988).
    """
    label, score = scores["label"].to_numpy(bool), scores["score"].to_numpy(float)
    above = won(score, label)
    area = above.mean()
    value = np.empty(len(scores))
    for side, own in ((label, above.mean(1)), (~label, above.mean(0))):
        value[side] = area + (own - area) * len(scores) / side.sum()
    return scores[["id", "group", "label"]].assign(value=value)


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

    Layers are those of the stream, as claims count them: what block l writes is compared with what is read before block l + 1.
    Each draw of groups is one for all instruments: those that read the same prompts are off together.

    Returns:
        Columns ``model, one, two, rho, low, high, layers, n``: ``n`` prompts of the one that has fewer.
    """
    own = profiles(tables, model)
    wide = {name: matrix_of(in_the_stream(part)) for name, part in own.groupby("instrument", sort=False)}
    generator, names, rows = np.random.default_rng(config.statistics.seed), list(wide), []
    groups = {name: matrix.index.get_level_values("group").astype(str) for name, matrix in wide.items()}
    everyone = sorted(set().union(*groups.values()))
    weights = generator.multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), size=resamples)
    draws = {
        name: resampled(matrix.to_numpy(float), pd.Index(everyone).get_indexer(groups[name]), weights)
        for name, matrix in wide.items()
    }
    tail = 100 * (1 - config.statistics.confidence) / 2
    for place, one in enumerate(names):
        for two in names[place + 1 :]:
            shared = sorted(set(wide[one].columns) & set(wide[two].columns))
            columns = [[list(wide[name].columns).index(layer) for layer in shared] for name in (one, two)]
            (rho,) = _rank_correlations(*(wide[name][shared].mean().to_numpy(float)[None] for name in (one, two)))
            several = _rank_correlations(draws[one][:, columns[0]], draws[two][:, columns[1]])
            low, high = np.nanpercentile(several, [tail, 100 - tail]) if np.isfinite(several).any() else (np.nan, np.nan)
            rows.append((model, one, two, rho, low, high, len(shared), min(len(wide[name]) for name in (one, two))))
    return pd.DataFrame(rows, columns=["model", "one", "two", "rho", "low", "high", "layers", "n"])


def in_the_stream(part: pd.DataFrame) -> pd.DataFrame:
    """Rows of instruments with the layer of the stream that they are about: of a block, the one behind it."""
    return part.assign(layer=part["layer"].astype(int) + ~part["instrument"].isin(BEFORE_BLOCK))


def matrix_of(part: pd.DataFrame) -> pd.DataFrame:
    """Values of one instrument [prompt, layer], of prompts that have all of them; rows are named by group and prompt."""
    return part.pivot_table(index=["group", "id"], columns="layer", values="value").dropna()


def resampled(values: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean profiles [resample, layer] where each group counts as often as it was drawn; NaN where none of them was."""
    sums = np.zeros((weights.shape[1], values.shape[1]))
    np.add.at(sums, codes, values)
    counts = weights @ np.bincount(codes, minlength=weights.shape[1])
    return (weights @ sums) / np.where(counts > 0, counts, np.nan)[:, None]


def _rank_correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row [row, layer] of one with its counterpart; NaN for fewer than three layers, or level."""
    from scipy.stats import rankdata

    if one.shape[1] < 3:
        return np.full(len(one), np.nan)
    ranks = [rankdata(side, axis=1, nan_policy="propagate") for side in (one, two)]
    first, second = (side - side.mean(1, keepdims=True) for side in ranks)
    spread = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return np.divide((first * second).sum(1), spread, out=np.full(len(one), np.nan), where=spread > 0)
