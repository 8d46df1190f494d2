"""Tuning toward machine style: it learns style that transfers to new texts, and leaves its base alone."""

import random

import pytest
import torch

from anatomy.errors import DataError
from anatomy.texts.detectors.curvature import Curvature
from anatomy.texts.detectors.pair import Reading, ScorerPair
from anatomy.texts.detectors.style_preference import tune_style_preference

READING = Reading(token_budget=512, min_tokens=4)
WORDS = ["river", "garden", "mill", "gate", "moon", "honey", "cake", "salt"]


def texts(n, seed, opener=""):
    draw = random.Random(seed)
    return [opener + " ".join(draw.choices(WORDS, k=6)) + "." for _ in range(n)]


def separation(scorer, seed):
    detector = Curvature(ScorerPair(scorer, scorer), READING, None, name="imbd")
    human, machine = ([one.score for one in detector.detect(side)] for side in (texts(12, seed), texts(12, seed + 1, "Sure! ")))
    return sum(m > h for m in machine for h in human) / 144


def test_new_texts_in_machine_style_score_higher_after_tuning(performer):
    before = [parameter.clone() for parameter in performer.model.parameters()]
    options = {"seed": 0, "learning_rate": 3e-3, "epochs": 3, "beta": 0.1}
    tuned = tune_style_preference(performer, texts(24, 0), texts(24, 1, "Sure! "), READING, **options)
    assert separation(tuned, 10) > max(0.9, separation(performer, 10))
    assert all(torch.equal(a, b) for a, b in zip(before, performer.model.parameters(), strict=True))
    again = tune_style_preference(performer, texts(24, 0), texts(24, 1, "Sure! "), READING, **options)
    assert again.digest == tuned.digest != performer.digest
    assert torch.equal(again.model.lm_head.weight, tuned.model.lm_head.weight)


def test_lists_that_do_not_pair_are_refused(performer):
    with pytest.raises(DataError, match="every prefix"):
        tune_style_preference(performer, ["a"], [], READING, seed=0)
    with pytest.raises(DataError, match="no pair"):
        tune_style_preference(performer, [" "], ["a"], READING, seed=0)
