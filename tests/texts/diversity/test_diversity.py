"""Diversity and length: by hand, and in the right order."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.texts.diversity.compression import compression_ratio
from anatomy.texts.diversity.distinct import distinct_n
from anatomy.texts.diversity.length import first_words, sentence_count, word_count
from anatomy.texts.diversity.self_bleu import self_bleu_scores
from anatomy.texts.diversity.style_markers import GENERAL
from anatomy.texts.diversity.table import diversity_summary, style_summary, style_table

VARIED = [
    "the fox sleeps in a cave",
    "owls wake at dusk and call",
    "she bakes bread with salt today",
    "rain fell on nine old boats",
]
COPIES = ["the fox sleeps in a cave"] * 4


def test_distinct_by_hand():
    assert distinct_n(["a b a", "a b"], 1) == 2 / 5 and distinct_n(["a b a", "a b"], 2) == 2 / 3
    assert distinct_n(["a"], 2) != distinct_n(["a"], 2)


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=9), min_size=1, max_size=5))
def test_copies_of_a_set_are_less_distinct(texts):
    once, twice = distinct_n(texts, 1), distinct_n(texts * 2, 1)
    assert once != once or twice == pytest.approx(once / 2)


def test_copies_have_self_bleu_1_and_strangers_0():
    assert self_bleu_scores(COPIES).tolist() == pytest.approx([1] * 4)
    # Exponential smoothing leaves a little where no 2-gram meets.
    assert max(self_bleu_scores(VARIED)) < 0.1
    assert self_bleu_scores(["", "a b"])[0] != self_bleu_scores(["", "a b"])[0]


def test_copies_are_compressed_more():
    assert compression_ratio(COPIES * 10) > 5 > compression_ratio(VARIED)
    assert compression_ratio(VARIED) == compression_ratio(VARIED)


def test_lengths():
    assert word_count("I can't, no - really!") == 4 and sentence_count("One. Two? 3 is. ...") == 3 and sentence_count("") == 0
    assert first_words("a b  c d", 3) == "a b c"


def make(variant, responses):
    rows = [
        {
            "model": "m",
            "variant": variant,
            "phase": "test",
            "set": "s",
            "id": str(k),
            "sample": 0,
            "group": str(k),
            "category": "news",
            "response": text,
        }
        for k, text in enumerate(responses)
    ]
    return pd.DataFrame(rows)


def test_tables_of_variants_compare():
    texts = pd.concat([make("human", VARIED), make("aligned", [f"Sure! {text}" for text in COPIES])], ignore_index=True)
    found = diversity_summary(texts, confidence=0.95, seed=0, cut=5).set_index(["variant", "category", "measure"])["estimate"]
    for measure in ("distinct_1", "distinct_2", "distinct_3"):
        assert found["human", "all", measure] > found["aligned", "all", measure]
    for measure in ("self_bleu", "compression_ratio"):
        assert found["human", "news", measure] < found["aligned", "news", measure]
    style = style_summary(style_table(texts, GENERAL), confidence=0.95, seed=0, resamples=100)
    opened = style[(style["measure"] == "opened") & (style["category"] == "all")].set_index("variant")["estimate"]
    assert opened.to_dict() == {"human": 0.0, "aligned": 1.0}


def test_too_few_groups_have_an_empty_interval_and_degenerate_texts_are_counted():
    texts = make("human", VARIED[:3]).assign(degenerate=["short", "", ""])
    found = diversity_summary(texts, confidence=0.95, seed=0)
    assert found["estimate"].isna().all() and set(found["excluded"]) == {1} and set(found["n"]) == {2}
