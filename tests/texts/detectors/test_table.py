"""Detections of a table: nothing lost, nothing averaged that is no number."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from anatomy.errors import NumericsError
from anatomy.texts.detectors.detection import NAN, Calibration, Detection, detection, detections, fit_calibration, not_scored
from anatomy.texts.detectors.table import (
    JUDGED_COLUMNS,
    detection_summary,
    detections_of,
    judgements_of,
)
from anatomy.texts.judges.verdict import COLUMNS

OPTIONS = {"confidence": 0.95, "seed": 0, "resamples": 500}


@dataclass(frozen=True)
class Length:
    """Calls longer texts more machine-like; texts with `?` give NaN."""

    name: str = "length"

    def detect(self, texts):
        reads = Calibration(1.0, -5.0, 5.0, "test")
        return [detection(NAN if "?" in text else float(len(text)), len(text), reads) for text in texts]


def table(texts, variant="human", degenerate=None):
    rows = [
        {
            "model": "m",
            "variant": variant,
            "phase": "test",
            "set": "prefixes",
            "id": f"{k}",
            "sample": 0,
            "group": f"g{k}",
            "category": "ab"[k % 2],
            "response": text,
        }
        for k, text in enumerate(texts)
    ]
    found = pd.DataFrame(rows)
    return found if degenerate is None else found.assign(degenerate=degenerate)


def detection_table(texts):
    """Every text under `Length`; those with a reason in `degenerate` are not read."""
    reasons = texts["degenerate"] if "degenerate" in texts else pd.Series("", index=texts.index)
    parts = [
        not_scored(reasons[reasons != ""]),
        detections(Length(), list(texts.loc[reasons == "", "response"].fillna(""))).set_axis(texts.index[reasons == ""]),
    ]
    return texts.drop(columns="degenerate", errors="ignore").join(pd.concat(parts)).assign(detector="length")


def test_excluded_texts_are_counted_and_never_averaged():
    texts = table(["aa", "aaaa", "?", "aaaaaaaa", "x", None], degenerate=["", "", "", "", "short", ""])
    found = detection_table(texts)
    assert len(found) == 6
    assert list(found["excluded"]) == ["", "", "not finite", "", "short", ""]
    summary = detection_summary(found, **OPTIONS).set_index(["category", "measure"])
    assert summary.loc[("all", "score"), "estimate"] == pytest.approx((2 + 4 + 8 + 0) / 4)
    assert summary.loc[("all", "score"), ["n", "excluded"]].tolist() == [4, 2]
    assert summary.loc[("all", "flagged"), "estimate"] == 0.25
    assert summary.loc[("a", "score"), ["n", "excluded"]].tolist() == [1, 2]


def test_detections_are_judgements_and_back():
    found = detection_table(table(["aa", "?", "aaaaaaaa"], degenerate=["", "", "short"]))
    judged = judgements_of(found)
    assert list(judged.columns) == list(JUDGED_COLUMNS) and set(COLUMNS) < set(judged)
    assert judged["label"].fillna("").tolist() == ["human", "", ""] and judged["raw"].tolist() == ["", "not finite", "short"]
    assert judged["parse_failure"].tolist() == [False, True, True]
    assert judged["score"].iloc[0] == found["machine"].iloc[0] < 0.5 and judged["statistic"].iloc[0] == 2.0
    back = detections_of(judged)[["score", "machine", "flagged", "n_tokens", "excluded"]]
    pd.testing.assert_frame_equal(back, found[list(back)].reset_index(drop=True))


def test_a_cell_without_any_score_is_still_there():
    found = detection_table(table(["?", "?"]))
    summary = detection_summary(found, **OPTIONS)
    assert summary["estimate"].isna().all() and set(summary["n"]) == {0} and "all" in set(summary["category"])


def test_a_fitted_calibration_is_invariant_to_the_scale_of_scores():
    rng = np.random.default_rng(0)
    human, machine = rng.normal(1, 0.1, 50), rng.normal(0.8, 0.1, 60)
    one, two = fit_calibration(human, machine, "x"), fit_calibration(human * 100 + 3, machine * 100 + 3, "x")
    assert one.slope < 0 and 0.8 < one.threshold < 1 and one.flagged(0.7) and not one.flagged(1.1)
    assert two.threshold == pytest.approx(one.threshold * 100 + 3, rel=1e-6)
    assert one.machine(one.threshold) == pytest.approx(0.5)
    with pytest.raises(NumericsError):
        fit_calibration(np.array([1.0, NAN]), np.array([1.0, 2.0]), "x")
    assert Detection(NAN, excluded="short").flagged is None
