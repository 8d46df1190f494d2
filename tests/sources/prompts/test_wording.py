import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.sources.prompts.wording import jaccard, normal_wording, shingles, similar_pairs

words = st.text(alphabet="abc d", min_size=1, max_size=14)


@settings(max_examples=150, deadline=None)
@given(st.lists(words, max_size=12), st.sampled_from([0.2, 0.5, 0.6, 0.8, 1.0]))
def test_indexed_search_finds_what_comparing_all_pairs_finds(texts, threshold):
    sets = [shingles(text) for text in texts]
    expected = [(i, j) for i, j in itertools.combinations(range(len(texts)), 2) if jaccard(sets[i], sets[j]) >= threshold - 1e-12]
    assert [(i, j) for i, j, _ in similar_pairs(texts, threshold)] == expected


@given(st.text(max_size=30))
def test_normal_wording_is_stable(text):
    once = normal_wording(text)
    assert normal_wording(once) == once


def test_normal_wording_ignores_case_spacing_and_punctuation_but_not_words():
    assert normal_wording("  What’s THIS,\n then?") == normal_wording("what s this then")
    assert normal_wording("ﬁve") == "five"
    assert normal_wording("no") != normal_wording("not")
    assert normal_wording("???") != normal_wording("!!!")


def test_known_similarity():
    # " abcd " has the 5-grams " abcd" and "abcd "; " abcde " shares the first of its three.
    assert jaccard(shingles("abcd"), shingles("abcde")) == pytest.approx(1 / 4)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_thresholds_outside_the_unit_interval_are_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        similar_pairs(["a"], threshold)
