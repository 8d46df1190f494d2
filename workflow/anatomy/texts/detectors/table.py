"""Detections as rows, as judgements, and their means with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.texts.judges.verdict import COLUMNS, KEYS

JUDGED_COLUMNS = (*COLUMNS, "category", "statistic", "flagged", "n_tokens")
SUMMARY_COLUMNS = ("model", "variant", "category", "detector", "measure", "estimate", "low", "high", "n", "clusters", "excluded")
ALL = "all"
"""The category that stands for every domain together."""


def judgements_of(table: pd.DataFrame) -> pd.DataFrame:
    """Detections with what describes their texts (`KEYS`, `group`, `category`, `detector`) as judgements: `judge` the detector,
    `label` machine or human, `score` the number in [0, 1] that is higher for more machine-like whatever the detector, `statistic`
    the detector's own, `raw` the reason why there is none, which is a parse failure. Columns ``JUDGED_COLUMNS``, sorted."""
    labels = table["flagged"].map({1.0: "machine", 0.0: "human"}).astype("str").where(table["flagged"].notna())
    made = table.drop(columns=["machine", "excluded"]).assign(
        judge=table["detector"],
        label=labels,
        score=table["machine"],
        statistic=table["score"],
        raw=table["excluded"],
        parse_failure=table["excluded"] != "",
    )
    return made[list(JUDGED_COLUMNS)].sort_values([*KEYS, "judge"], ignore_index=True)


def detections_of(judgements: pd.DataFrame) -> pd.DataFrame:
    """The detections that judgements were made of."""
    return judgements.rename(columns={"judge": "detector", "score": "machine", "statistic": "score", "raw": "excluded"})


def detection_summary(detections: pd.DataFrame, *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """Means over texts of `score`, `machine` and `flagged`, with intervals over groups; excluded texts are counted, not averaged.

    Returns:
        Columns ``SUMMARY_COLUMNS``: one row a model, variant, category (and ``all``), detector and measure with values. A cell
        whose texts are all excluded has NaN for an estimate and n = 0.
    """
    everything = pd.concat([detections, detections.assign(category=ALL)])
    rows = []
    for key, part in everything.groupby(["model", "variant", "category", "detector"], sort=True):
        kept = part[part["excluded"] == ""]
        for measure in ("score", "machine", "flagged"):
            values = kept[measure].to_numpy(np.float64)
            if len(kept) and np.isnan(values).all():
                continue
            if len(kept):
                got = mean_interval(
                    Sample(values, kept["group"].to_numpy(object)), confidence=confidence, seed=seed, resamples=resamples
                )
                numbers = (got.estimate, got.low, got.high, got.n, got.clusters)
            else:
                numbers = (float("nan"),) * 3 + (0, 0)
            rows.append((*key, measure, *numbers, len(part) - len(kept)))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
