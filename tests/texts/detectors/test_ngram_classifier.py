"""The n-gram detector: it learns what separates, chance stays chance, and groups keep folds honest."""

import random

import pytest

from anatomy.errors import DataError
from anatomy.texts.detectors.ngram_classifier import train_ngram_classifier

WORDS = ["river", "garden", "mill", "gate", "moon", "honey", "cake", "salt", "note", "feast"]


def texts(n, seed, opener=""):
    draw = random.Random(seed)
    return [opener + " ".join(draw.choices(WORDS, k=8)) + "." for _ in range(n)]


def test_an_opener_is_learned_and_transfers_to_new_texts():
    groups = [f"g{k}" for k in range(30)]
    judge = train_ngram_classifier(texts(30, 0), texts(30, 1, "Sure! "), groups, groups, seed=0)
    assert judge.loss < 0.3
    found = judge.detect([*texts(20, 2), *texts(20, 3, "Sure! "), " "])
    assert not any(one.flagged for one in found[:20]) and all(one.flagged for one in found[20:40])
    assert found[40].excluded == "empty" and all(0 <= one.machine <= 1 for one in found[:40])


def test_texts_of_one_kind_are_at_chance():
    groups = [f"g{k}" for k in range(40)]
    judge = train_ngram_classifier(texts(40, 0), texts(40, 1), groups, groups, seed=0)
    # ln 2 is chance in nats; with 40 texts a side cross-validation scatters by about .03.
    assert judge.loss == pytest.approx(0.693, abs=0.1)


def test_training_is_repeatable_and_refuses_one_group():
    groups = [f"g{k}" for k in range(12)]
    one, two = (train_ngram_classifier(texts(12, 0), texts(12, 1, "Sure! "), groups, groups, seed=4) for _ in range(2))
    assert [a.score for a in one.detect(texts(5, 9))] == [b.score for b in two.detect(texts(5, 9))]
    with pytest.raises(DataError, match="groups"):
        train_ngram_classifier(["a"], ["b"], ["g"], ["g"], seed=0)
