"""Tables of harm pruning: rates with intervals, the matrices of transfer and abilities, and where a mask sits."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.resampling import Resampling, ResamplingOptions
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.rates import KL_OF, mean_divergences
from anatomy.recipes.pruning.options import ABILITIES
from anatomy.recipes.pruning.outcomes import separation_of
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST, OF_A_KIND, UNEDITED
from anatomy.recipes.pruning.variants import FAMILY
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.statistics.multiplicity import holm_adjust
from anatomy.statistics.paired import difference_interval

HARM, UNSEEN, COHERENT = "harm, scored kinds", "harm, kinds never scored", "coherent"


def measured(values: pd.DataFrame) -> pd.DataFrame:
    """Verdicts as rows of what was measured: harmful generation by whether its kind was scored, each ability, coherence."""
    what = values["ability"].where(values["ability"] != "generation", values["seen"].map({True: HARM, False: UNSEEN}))
    return pd.concat([values.assign(what=what), values.assign(what=COHERENT, value=values["coherent"])], ignore_index=True)


def rates(config: Config, rows: pd.DataFrame, by: list[str], *, amounts: bool = False) -> pd.DataFrame:
    """Mean of ``value`` with its interval over groups, for each combination of columns; ``amounts``: values are no shares."""
    wanted, found = config.statistics, []
    for key, own in rows.groupby(by, sort=False):
        sample = Sample(own["value"].to_numpy(np.float64), own["group"].to_numpy(object), amounts=amounts)
        got = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
        named = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        found.append({**named, "rate": got.estimate, "low": got.low, "high": got.high, "n": got.n, "clusters": got.clusters})
    return pd.DataFrame(found, columns=[*by, "rate", "low", "high", "n", "clusters"])


def chosen_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Every ability before and with the chosen mask of each model, and how many weights that has."""
    rows = measured(tables.rows("values"))
    found = rates(config, rows[rows["mask"].isin([UNEDITED, CHOSEN, NEAREST])], ["model", "mask", "what"])
    masks = tables.rows("masks")
    return found.merge(masks[["model", "mask", "q", "p", "weights", "share", "lacking"]], on=["model", "mask"], how="left")


def divergence_table(config: Config, tables: Tables) -> pd.DataFrame:
    """How far the chosen mask of each model moves predictions on harmless prompts; no row where that was not measured.

    Returns:
        Columns ``model, measure, kl, low, high, n, clusters``: nats, over groups.
    """
    columns = ["model", "measure", "kl", "low", "high", "n", "clusters"]
    if tables.divergences is None or tables.variants is None:
        return pd.DataFrame(columns=columns)
    wanted = config.statistics
    sampled: ResamplingOptions = {"confidence": wanted.confidence, "seed": wanted.seed, "resamples": wanted.bootstrap}
    found = mean_divergences(tables.divergences, tables.variants, phase="test", **sampled)
    own = found[(found["family"] == FAMILY) & (found["role"] == "method")]
    return own.rename(columns={"rate": "kl"})[columns].reset_index(drop=True)


def moved_table(config: Config, tables: Tables) -> pd.DataFrame:
    """How far every mask of the grid and of the test moves predictions on harmless requests, and how much of the model it takes.

    Returns:
        Columns ``model, split, mask, control, q, p, protected, weights, measure, kl, low, high, n, clusters``: nats, over groups.
        A mask with a divergence that is no number has no row.
    """
    named = ["model", "split", "mask", "control", "q", "p", "protected", "weights"]
    found = []
    for split, moved, masks in (("select", "grid_divergences", "grid_masks"), ("test", "mask_divergences", "masks")):
        rows = tables.named.get(moved, pd.DataFrame())
        if rows.empty:
            continue
        items = rows.melt(["model", "mask", "group"], list(KL_OF), var_name="measure", value_name="value")
        whole = items.assign(known=np.isfinite(items["value"])).groupby(["model", "mask"])["known"].transform("all")
        amounts = rates(config, items[whole], ["model", "mask", "measure"], amounts=True).rename(columns={"rate": "kl"})
        found.append(amounts.assign(split=split).merge(tables.rows(masks), on=["model", "mask"], how="left"))
    columns = [*named, "measure", "kl", "low", "high", "n", "clusters"]
    return pd.concat(found, ignore_index=True).reindex(columns=columns) if found else pd.DataFrame(columns=columns)


def limits_table(tables: Tables) -> pd.DataFrame:
    """What the chosen mask of each model leaves on select beside its limits (``choosing.LIMITS``), and what is said of it."""
    masks = tables.rows("masks")
    masks = masks[masks["mask"].isin([CHOSEN, NEAREST])][["model", "mask", "q", "p", "protected"]]
    grid = tables.rows("grid_masks", control="")[["model", "mask", "q", "p", "protected"]]
    placed = masks.merge(grid, on=["model", "q", "p", "protected"], suffixes=("_of", ""))
    found = placed.merge(tables.rows("limits"), on=["model", "mask"])
    return found.drop(columns=["mask", "protected"]).rename(columns={"mask_of": "mask"})


def controls_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Harmful and benign generation and coherence under the chosen mask, its controls, and masks made otherwise."""
    rows = measured(tables.rows("values"))
    masks = tables.rows("masks")
    beside = masks[~masks["mask"].str.startswith(("kind.", "ability.")) & (masks["control"] != OF_A_KIND)]
    rows = rows[rows["mask"].isin([UNEDITED, *beside["mask"]]) & rows["what"].isin([HARM, UNSEEN, "benign", COHERENT])]
    found = rates(config, rows, ["model", "mask", "what"])
    return found.merge(masks[["model", "mask", "control", "weights", "share", "lacking"]], on=["model", "mask"], how="left")


def abilities_table(config: Config, tables: Tables) -> pd.DataFrame:
    """What is left of each ability with each ability pruned; generation stands for the mask with benign generation protected."""
    names = {UNEDITED: "nothing", "benign protected": "generation", CHOSEN: "generation, all protected"}
    names[NEAREST] = f"generation, all protected, {NEAREST}"
    rows = tables.rows("values")
    rows = rows[rows["mask"].isin(names) | rows["mask"].str.startswith("ability.")]
    pruned = [names.get(mask, mask.removeprefix("ability.")) for mask in rows["mask"]]
    found = rates(config, rows.assign(pruned=pruned), ["model", "pruned", "ability"])
    return found.sort_values("ability", key=lambda names: names.map(ABILITIES.index), kind="stable", ignore_index=True)


def anatomy_table(tables: Tables) -> pd.DataFrame:
    """Weights of the chosen mask by layer and module, as a share of the matrix."""
    rows = tables.rows("places")
    return rows.assign(share=rows["weights"] / rows["size"]).reset_index(drop=True)


def heads_table(tables: Tables) -> pd.DataFrame:
    """Weights of the chosen mask by attention head.

    Returns:
        The columns of the table ``heads`` with ``times``, how many times what chance gives them (1 where the matrix has no weight
        of the mask), and ``p_adjusted`` by Holm's method over a model's heads.
    """
    rows = tables.rows("heads").reset_index(drop=True)
    adjusted = rows.groupby("model")["p_value"].transform(lambda one: holm_adjust(one.to_numpy(np.float64)))
    times = (rows["weights"] / rows["expected"].where(rows["expected"] > 0)).fillna(1.0)
    return rows.assign(times=times, p_adjusted=adjusted)


def tradeoff_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Harmful and benign generation on select under every mask of the grid, and under random ones as large."""
    rows = measured(tables.rows("grid_values"))
    found = rates(config, rows[rows["what"].isin([HARM, "benign", COHERENT, "recognition"])], ["model", "mask", "what"])
    return found.merge(tables.rows("grid_masks"), on=["model", "mask"], how="left")


def steps_table(config: Config, rows: pd.DataFrame) -> pd.DataFrame:
    """How often answers give harm, and are text, after each step of a fine-tune under each mask."""
    by = [name for name in ("model", "arm", "mask", "step") if name in rows]
    means = rows.groupby([*by, "id"], as_index=False).agg(
        value=("misaligned", "mean"), coherent=("coherent", "mean"), group=("group", "first")
    )
    coherent = means.groupby(by, as_index=False)["coherent"].mean()
    return rates(config, means, by).merge(coherent, on=by)


def finetuned_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Rates after each step of every fine-tune and control; no row where no model was fine-tuned."""
    try:
        parts = [tables.rows(name).assign(arm=name) for name in ("emergent", "restoration")]
        rows = pd.concat([*parts, tables.rows("finetuned_beside")], ignore_index=True)
    except MissingEvidence:
        return pd.DataFrame(columns=["model", "arm", "mask", "step", "rate", "low", "high", "n", "clusters", "coherent"])
    return steps_table(config, rows)


def compression_table(config: Config, tables: Tables) -> pd.DataFrame:
    """How far harmful generation separates from benign, model by model: the area between both curves over log q.

    Returns:
        Columns ``model, member, seed, area, low, high, n``; intervals over groups of prompts. Where a run has several seeds, rows
        of ``seed`` ``all`` have the mean over seeds, with the interval of their mean (Student's t).
    """
    wanted, found = config.statistics, []
    for model in tables.rows("grid_values")["model"].unique():
        try:
            evidence = separation_of(str(model))(tables)
        except MissingEvidence:
            continue
        resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
        got = difference_interval(evidence.sample, evidence.against, **resampling.options).interval
        grown = re.fullmatch(r"(.+)\.s(\d+)", str(model))
        member, seed = grown.groups() if grown else (str(model), "")
        named = {"model": model, "member": member, "seed": seed}
        found.append({**named, "area": got.estimate, "low": got.low, "high": got.high, "n": got.n})
    table = pd.DataFrame(found, columns=["model", "member", "seed", "area", "low", "high", "n"])
    return pd.concat([table, _over_seeds(table, wanted.confidence)], ignore_index=True)


def _over_seeds(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    from scipy.stats import t

    rows = []
    for member, own in table.groupby("member"):
        if len(own) > 1:
            mean, error = float(own["area"].mean()), float(own["area"].std(ddof=1)) / len(own) ** 0.5
            half = float(t.ppf(0.5 + confidence / 2, len(own) - 1)) * error
            named = {"model": member, "member": member, "seed": "all"}
            rows.append({**named, "area": mean, "low": mean - half, "high": mean + half, "n": len(own)})
    return pd.DataFrame(rows, columns=table.columns)
