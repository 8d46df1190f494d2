"""The n-gram model is a distribution, and a better one of what it was fitted on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import DataError
from anatomy.texts.affinity.ngram_model import START, NgramModel

one_text = st.lists(st.sampled_from(["a", "b", "c", "."]), min_size=1, max_size=8).map(" ".join)
text_lists = st.lists(one_text, min_size=1, max_size=5)


@settings(deadline=None, max_examples=50)
@given(text_lists, st.integers(1, 3), st.lists(st.sampled_from(["a", "b", "zz", START]), min_size=2, max_size=2))
def test_probabilities_of_the_vocabulary_and_one_unknown_word_sum_to_one(texts, order, context):
    model = NgramModel(texts, order)
    history = tuple(context[: order - 1])
    total = sum(model.probability(word, history) for word in (*model.vocabulary, "never seen"))
    assert total == pytest.approx(1, abs=1e-12)


def test_a_bigram_by_hand():
    """After `a`: two tokens of two types (b, end). Unigrams: a, a, b, end, end = 5 tokens of 3 types; vocabulary 3 and 1 more."""
    model = NgramModel(["a b", "a"], 2)
    unigram_b = (1 + 3 / 4) / (5 + 3)
    assert model.probability("b", ("a",)) == pytest.approx((1 + 2 * unigram_b) / (2 + 2))
    assert model.probability("b", ("zz",)) == pytest.approx(unigram_b)


def test_an_empty_corpus_is_refused():
    with pytest.raises(DataError):
        NgramModel(["", "  "], 2)
