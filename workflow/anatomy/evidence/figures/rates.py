"""Rates with intervals out of the per-item tables: what bars, curves and tables are made of."""

import numpy as np
import pandas as pd

from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval

DESCRIPTION = ["role", "family", "form", "control"]


def method_of(family: str) -> str:
    """The method that a family of a search belongs to: `row_mean~isotropic-3` is a control of `row_mean`."""
    return family.split("~")[0]


def refusal_rates(
    judgements: pd.DataFrame, variants: pd.DataFrame, *, judge: str, phase: str, confidence: float, seed: int, resamples: int
) -> pd.DataFrame:
    """Refusal (full or partial) of each model, variant and set, with an interval clustered by group.

    Returns:
        Columns `model, variant, set, rate, low, high, n, clusters, role, family, form, control`.
    """
    rows = judgements[(judgements["judge"] == judge) & (judgements["phase"] == phase) & ~judgements["parse_failure"].astype(bool)]
    rows = rows.assign(value=rows["label"].isin(REFUSED).astype(np.float64))
    items = rows.groupby(["model", "variant", "set", "id"], as_index=False).agg(value=("value", "mean"), group=("group", "first"))
    return _with_intervals(items, ["model", "variant", "set"], variants, phase, confidence, seed, resamples)


def benchmark_scores(
    samples: pd.DataFrame,
    variants: pd.DataFrame,
    *,
    metrics: dict[str, str],
    phase: str,
    confidence: float,
    seed: int,
    resamples: int,
) -> pd.DataFrame:
    """Score of each model, variant and task by the task's metric; columns as `refusal_rates`, with `task` for `set`."""
    items = []
    for task, metric in metrics.items():
        rows = samples[(samples["phase"] == phase) & (samples["task"] == task)]
        if len(rows) and metric in rows:
            items.append(rows[["model", "variant", "task", "id", "group"]].assign(value=rows[metric].astype(np.float64)))
    frame = pd.concat(items) if items else pd.DataFrame(columns=["model", "variant", "task", "id", "group", "value"])
    keys = ["model", "variant", "task"]
    return _with_intervals(frame.dropna(subset="value"), keys, variants, phase, confidence, seed, resamples)


KL_OF = ("first_token_kl", "kl")
"""Divergences of a variant: of the first token of an answer, and the mean over its forced tokens."""


def mean_divergences(
    divergences: pd.DataFrame, variants: pd.DataFrame, *, phase: str, confidence: float, seed: int, resamples: int
) -> pd.DataFrame:
    """Mean divergence of each model and variant from the unedited model, in nats; columns as `refusal_rates`, with `measure`
    (of ``KL_OF``) for `set`. A variant with a divergence that is no number, as of an edit that overflows, has no row.

    Args:
        divergences: `model, variant, phase, id, group` and ``KL_OF``.
    """
    keys = ["model", "variant", "measure"]
    rows = divergences[divergences["phase"] == phase]
    items = rows.melt(["model", "variant", "id", "group"], list(KL_OF), var_name="measure", value_name="value")
    whole = items.assign(known=np.isfinite(items["value"].to_numpy(np.float64))).groupby(keys)["known"].transform("all")
    return _with_intervals(items[whole.astype(bool)], keys, variants, phase, confidence, seed, resamples, amounts=True)


def _with_intervals(
    items: pd.DataFrame,
    keys: list[str],
    variants: pd.DataFrame,
    phase: str,
    confidence: float,
    seed: int,
    resamples: int,
    *,
    amounts: bool = False,
) -> pd.DataFrame:
    described = variants[variants["phase"] == phase].drop_duplicates(["model", "variant"])
    found = []
    for key, rows in items.groupby(keys, sort=True):
        sample = Sample(rows["value"].to_numpy(np.float64), rows["group"].to_numpy(object), amounts=amounts)
        got = mean_interval(sample, confidence=confidence, seed=seed, resamples=resamples)
        found.append((*key, got.estimate, got.low, got.high, got.n, got.clusters))
    table = pd.DataFrame(found, columns=[*keys, "rate", "low", "high", "n", "clusters"])
    return table.merge(described[["model", "variant", *DESCRIPTION]], on=["model", "variant"], how="left")
