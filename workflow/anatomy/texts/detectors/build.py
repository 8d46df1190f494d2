"""Detectors from their options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from anatomy.config.detecting import Detector as Options
from anatomy.models.machine.formats import resolved
from anatomy.models.scorer import Scorer, open_scorer
from anatomy.texts.detectors import binoculars, curvature
from anatomy.texts.detectors.detection import Calibration, Detector
from anatomy.texts.detectors.pair import Reading, ScorerPair
from anatomy.texts.detectors.score_file import read_score_file


def build_detectors(
    options: Mapping[str, Options], device: torch.device | str, fitted: Mapping[str, Calibration] | None = None
) -> list[Detector]:
    """Open every detector; a scorer that several share is opened once.

    Args:
        options: by the name that tables call the detector.
        fitted: calibrations of detectors that ask for a fitted one; without it those have no probability and no verdict, which is
            how the texts that they are fitted on are scored.

    Raises:
        ModelError: a folder that cannot be used, or a pair without a common tokenizer.
        DataError: a bad score file.
    """
    opened: dict[tuple[str, str, str | None], Scorer] = {}

    def scorer(folder: str, one: Options, adapter: str | None) -> Scorer:
        dtype = resolved(one.dtype)
        key = (folder, dtype, adapter)
        if key not in opened:
            opened[key] = open_scorer(Path(folder), getattr(torch, dtype), device, Path(adapter) if adapter else None)
        return opened[key]

    found: list[Detector] = []
    for name, one in options.items():
        if one.kind == "score_file":
            found.append(read_score_file(Path(str(one.file)), name, column=one.column, threshold=one.threshold))
            continue
        scoring = scorer(str(one.scorer), one, one.adapter)
        pair = ScorerPair(scorer(one.reference, one, None) if one.reference else scoring, scoring)
        make = binoculars.Binoculars if one.kind == "binoculars" else curvature.Curvature
        calibration = (fitted or {}).get(name) if one.calibration == "fitted" else _published(one)
        found.append(make(pair, Reading(**one.reading.model_dump()), calibration, name=name))
    return found


def _published(one: Options) -> Calibration:
    if one.kind == "binoculars":
        thresholds = {"low_fpr": binoculars.LOW_FALSE_POSITIVES, "best_f1": binoculars.BEST_F1}
        return binoculars.published_calibration(thresholds[one.calibration])
    sampling, _, scoring = one.calibration.partition("_")
    return curvature.published_calibration(sampling, scoring)
