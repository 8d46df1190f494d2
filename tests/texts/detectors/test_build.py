"""Detectors from options: pairs shared, thresholds as asked for, contradictions refused."""

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_model import make_tiny_model

from anatomy.config.detecting import PUBLISHED_PAIRS, Detector
from anatomy.texts.detectors.build import build_detectors
from anatomy.texts.detectors.curvature import PUBLISHED
from anatomy.texts.detectors.detection import fit_calibration
from anatomy.texts.detectors.score_file import text_digest

TEXTS = ["How do I open the gate of the old mill?", "Please write a short note about the moon and the garden."]


def test_options_become_detectors_that_share_their_scorers(tiny_folder, tmp_path):
    other = make_tiny_model(tmp_path / "other", seed=5, layers=2)
    (tmp_path / "scores.csv").write_text(f"digest,score\n{text_digest(TEXTS[0])},0.8\n")
    scorers = {"reference": str(other), "scorer": str(tiny_folder), "dtype": "float32", "reading": {"min_tokens": 4}}
    options = {
        "binoculars": Detector(kind="binoculars", calibration="best_f1", **scorers),
        "fast": Detector(kind="fast_detectgpt", calibration="falcon-7b_falcon-7b-instruct", **scorers),
        "own": Detector(kind="imbd", **{**scorers, "reference": None}),
        "pangram": Detector(kind="score_file", file=str(tmp_path / "scores.csv")),
    }
    built = {detector.name: detector for detector in build_detectors(options, "cpu")}
    assert list(built) == list(options) and built["binoculars"].pair.scorer is built["own"].pair.scorer
    found = {name: detector.detect(TEXTS) for name, detector in built.items()}
    assert [one.flagged for one in found["pangram"]] == [True, None]
    assert built["binoculars"].calibration.threshold == 0.9015310749276843
    assert all(one.flagged is None and np.isnan(one.machine) and np.isfinite(one.score) for one in found["own"])
    fitted = fit_calibration(np.array([0.0, 1.0]), np.array([2.0, 3.0]), "test")
    again = build_detectors({"own": options["own"]}, "cpu", {"own": fitted})[0].detect(TEXTS)
    assert [one.score for one in again] == [one.score for one in found["own"]] and all(one.flagged is not None for one in again)


def test_every_published_pair_can_be_asked_for():
    assert {f"{sampling}_{scoring}" for sampling, scoring in PUBLISHED} == set(PUBLISHED_PAIRS)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "binoculars", "scorer": "a"},
        {"kind": "imbd", "scorer": "a", "reference": "b"},
        {"kind": "score_file"},
        {"kind": "fast_detectgpt"},
        {"kind": "fast_detectgpt", "scorer": "a", "file": "b"},
        {"kind": "fast_detectgpt", "scorer": "a", "calibration": "low_fpr"},
        {"kind": "imbd", "scorer": "a", "unknown": 1},
    ],
)
def test_contradictions_are_refused(options):
    with pytest.raises(ValidationError):
        Detector(**options)
