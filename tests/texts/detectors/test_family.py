"""A family's detectors: fitted on its own texts, they read new ones."""

import random

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.texts.detectors.family import NAMES, TINY_TUNING, family_detectors
from anatomy.texts.detectors.pair import Reading

WORDS = ["river", "garden", "mill", "gate", "moon", "honey", "cake", "salt"]
READING = Reading(token_budget=512, min_tokens=4)


def table(n, seed):
    draw = random.Random(seed)
    rows = []
    for k in range(n):
        for variant, opener in (("human", ""), ("aligned", "Sure! ")):
            text = opener + " ".join(draw.choices(WORDS, k=6)) + "."
            rows.append({"id": f"i{k}", "group": f"g{k}", "variant": variant, "response": text, "degenerate": ""})
    return pd.DataFrame(rows)


def test_every_detector_has_a_verdict_and_those_that_learn_style_find_it(pair):
    detectors = family_detectors(pair.reference, pair.scorer, table(60, 0), READING, seed=0, tuning=TINY_TUNING)
    assert tuple(detector.name for detector in detectors) == NAMES
    new = table(20, 1)
    for detector in detectors:
        found = detector.detect(list(new["response"]))
        assert all(one.flagged is not None and 0 <= one.machine <= 1 for one in found)
        right = sum(one.flagged == (variant == "aligned") for one, variant in zip(found, new["variant"], strict=True)) / len(new)
        if detector.name in ("imbd", "ngrams"):
            assert right > 0.85


def test_texts_that_do_not_pair_are_refused(pair):
    alone = table(4, 0).query("variant == 'human'")
    with pytest.raises(DataError, match="both"):
        family_detectors(pair.reference, pair.scorer, alone, READING, seed=0, tuning=TINY_TUNING)
