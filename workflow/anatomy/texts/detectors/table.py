"""Detections of a table of texts, their means with intervals, and how good a detector is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.texts.detectors.detection import Detection, Detector
from anatomy.texts.judges.verdict import COLUMNS, KEYS

DETECTION_COLUMNS = (*KEYS, "group", "category", "detector", "score", "machine", "flagged", "n_tokens", "excluded")
SUMMARY_COLUMNS = ("model", "variant", "category", "detector", "measure", "estimate", "low", "high", "n", "clusters", "excluded")
ALL = "all"
"""The category that stands for every domain together."""


def detection_table(texts: pd.DataFrame, detectors: Sequence[Detector]) -> pd.DataFrame:
    """Every text under every detector.

    Args:
        texts: a completions table with `category`; where it has a column `degenerate`, rows with a reason there are excluded
            by it and not scored.

    Returns:
        Columns ``DETECTION_COLUMNS``, sorted by key and detector. ``flagged`` is 1, 0, or NaN without a verdict.

    Raises:
        DataError: missing columns, a text twice, or two detectors of one name.
    """
    if missing := sorted({*KEYS, "group", "category", "response"} - set(texts)):
        raise DataError(found=f"no columns {missing}", expected="a completions table", where="the texts to be measured")
    if texts.duplicated(list(KEYS)).any():
        raise DataError(found="a text twice", expected="each text once", where="the texts to be measured")
    if len({detector.name for detector in detectors}) < len(detectors):
        raise DataError(found=f"detectors {[d.name for d in detectors]}", expected="names that differ", where="the detectors")
    reasons = list(texts["degenerate"].fillna("")) if "degenerate" in texts else [""] * len(texts)
    responses = list(texts["response"].fillna(""))
    fit = [place for place, reason in enumerate(reasons) if not reason]
    parts = []
    for detector in detectors:
        found = [Detection(float("nan"), excluded=reason) for reason in reasons]
        for place, one in zip(fit, detector.detect([responses[place] for place in fit]), strict=True):
            found[place] = one
        columns = {name: [getattr(one, name) for one in found] for name in ("score", "machine", "n_tokens", "excluded")}
        flagged = [float("nan") if one.flagged is None or one.excluded else float(one.flagged) for one in found]
        parts.append(texts[[*KEYS, "group", "category"]].assign(detector=detector.name, flagged=flagged, **columns))
    types = {"score": "float64", "machine": "float64", "flagged": "float64", "n_tokens": "int64", "excluded": "str"}
    return pd.concat(parts)[list(DETECTION_COLUMNS)].astype(types).sort_values([*KEYS, "detector"], ignore_index=True)


def judgements_of(detections: pd.DataFrame) -> pd.DataFrame:
    """Detections as judgements: `judge` the detector, `label` machine or human, `score` the detector's own number, `raw` the
    reason why there is none, which is a parse failure. The score's side differs between detectors (``Calibration.slope``)."""
    excluded = detections["excluded"] != ""
    labels = detections["flagged"].map({1.0: "machine", 0.0: "human"}).astype("str").where(detections["flagged"].notna())
    made = detections.assign(judge=detections["detector"], label=labels, raw=detections["excluded"], parse_failure=excluded)
    return made[list(COLUMNS)]


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


def balanced_accuracy(human: pd.DataFrame, machine: pd.DataFrame) -> pd.DataFrame:
    """How good each detector is: mean of the shares of human texts not flagged and of machine texts flagged (PASTA's
    ``detector quality``). Excluded texts and detectors without a verdict are left out.

    Returns:
        Columns `detector, balanced_accuracy, n_human, n_machine`.
    """
    rows = []
    for name in sorted(set(human["detector"]) & set(machine["detector"])):
        sides = [table[(table["detector"] == name)]["flagged"].dropna().to_numpy() for table in (human, machine)]
        if all(map(len, sides)):
            rows.append((name, ((1 - sides[0].mean()) + sides[1].mean()) / 2, len(sides[0]), len(sides[1])))
    return pd.DataFrame(rows, columns=["detector", "balanced_accuracy", "n_human", "n_machine"])
