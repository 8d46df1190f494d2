"""The detectors of a family of models: a base and an aligned model that nothing under study was grown from, and their texts.

On the organism the family of another seed: its thresholds, n-grams and tuned scorer are fitted on its own world's texts, so that
what they say of the family under study is transfer.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.models.scorer import Scorer
from anatomy.texts.authors import ALIGNED, HUMAN
from anatomy.texts.detectors.binoculars import Binoculars
from anatomy.texts.detectors.curvature import Curvature
from anatomy.texts.detectors.detection import Calibration, Detector, fit_calibration
from anatomy.texts.detectors.ngram_classifier import train_ngram_classifier
from anatomy.texts.detectors.pair import Reading, ScorerPair
from anatomy.texts.detectors.style_preference import Tuning, tune_style_preference

ORGANISM_READING = Reading(token_budget=4096, min_tokens=4, beginning=True, leading_space=True)
"""For documents of one to three short sentences; ours."""
TINY_TUNING: Tuning = {"learning_rate": 3e-3, "epochs": 3, "beta": 0.1}
"""Tuning of a model of a million parameters; ours, tried on organism seeds 0 and 7."""
NAMES = ("binoculars", "fast_detectgpt", "imbd", "ngrams")


def family_detectors(
    base: Scorer, aligned: Scorer, texts: pd.DataFrame, reading: Reading, *, seed: int, tuning: Tuning
) -> list[Detector]:
    """Four detectors with fitted calibrations: Binoculars and Fast-DetectGPT (base and aligned model as a pair), ImBD's form (the
    base tuned to the aligned model's style), and the n-gram classifier.

    The base observes (samples) and the aligned model performs (scores): under the base alone the organism's chat style is
    improbable, and both numbers turn round.

    Args:
        texts: post-processed texts of the family's own prefixes: `id`, `group`, `response`, `variant` (human or aligned), and
            `degenerate`, where not empty left out. Prefixes with a text of both are used.
        tuning: options of ``tune_style_preference``.

    Raises:
        DataError: no prefix with both texts.
    """
    fit = texts[texts["degenerate"].fillna("") == ""] if "degenerate" in texts else texts
    sides = [fit[fit["variant"] == variant] for variant in (HUMAN, ALIGNED)]
    both = sides[0].merge(sides[1], on=["id", "group"], suffixes=("_human", "_machine"))
    if both.empty:
        raise DataError(
            found="no prefix with a human and an aligned text",
            expected="both",
            where="a family's detectors",
            remedy="generate with the family's aligned model under its own prefixes",
        )
    both = both.sort_values("id")
    human, machine, groups = list(both["response_human"]), list(both["response_machine"]), list(both["group"])
    pair = ScorerPair(base, aligned)
    # Half of the groups tunes the scorer and the other half sets its threshold: on texts it was tuned on its scores flatter.
    first = both["group"].rank(method="dense") % 2 == 1
    own = both[first]
    tuned = tune_style_preference(base, list(own["response_human"]), list(own["response_machine"]), reading, seed=seed, **tuning)
    likelihood: list[Detector] = []
    for make, scorers, name, rows in (
        (Binoculars, pair, "binoculars", both),
        (Curvature, pair, "fast_detectgpt", both),
        (Curvature, ScorerPair(tuned, tuned), "imbd", both[~first]),
    ):
        calibration = _calibration(make(scorers, reading, None, name=name), rows)
        likelihood.append(make(scorers, reading, calibration, name=name))
    return [*likelihood, train_ngram_classifier(human, machine, groups, groups, seed=seed)]


def _calibration(detector: Detector, rows: pd.DataFrame) -> Calibration:
    human, machine = (
        np.array([one.score for one in detector.detect(list(rows[side])) if not one.excluded])
        for side in ("response_human", "response_machine")
    )
    return fit_calibration(
        human, machine, f"fitted on {len(human)} human and {len(machine)} aligned texts of the scorers' family"
    )
