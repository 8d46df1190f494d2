"""Near-duplicates: all of them, and nothing else, at a cost that is bounded however alike the texts are."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.sources.prompts import likeness
from anatomy.sources.prompts.likeness import linking_pairs, similar_rows
from anatomy.sources.prompts.wording import shingles

WORDS = st.text(alphabet="abc d", min_size=1, max_size=14)
THRESHOLDS = st.sampled_from([0.2, 0.5, 0.6, 0.8, 1.0])


def jaccard(left, right):
    return len(left & right) / len(left | right)


def all_pairs(texts, threshold):
    sets = [shingles(text) for text in texts]
    found = {(i, j): jaccard(sets[i], sets[j]) for i, j in itertools.combinations(range(len(texts)), 2)}
    return {pair: similarity for pair, similarity in found.items() if similarity >= threshold - 1e-12}


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=12), THRESHOLDS, st.sampled_from([0.0, 0.3, 1.0]))
def test_counting_finds_what_comparing_all_pairs_finds(texts, threshold, frequent):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "FREQUENT_SHARE", frequent)
        patch.setattr(likeness, "BLOCK", 3)
        found = {
            (int(i), j): similarity
            for j, hits, similarities in similar_rows(texts, threshold)
            for i, similarity in zip(hits, similarities, strict=True)
        }
    assert found == pytest.approx(all_pairs(texts, threshold))


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=14), THRESHOLDS)
def test_linking_pairs_make_the_same_clusters_as_all_pairs_with_as_few_as_that_takes(texts, threshold):
    def clusters(pairs):
        of = list(range(len(texts)))
        for i, j in pairs:
            of = [of[i] if one == of[j] else one for one in of]
        return {frozenset(k for k in range(len(texts)) if of[k] == one) for one in of}

    every, linking = all_pairs(texts, threshold), linking_pairs(texts, threshold)
    assert {(i, j) for i, j, _ in linking} <= set(every)
    found = clusters((i, j) for i, j, _ in linking)
    assert found == clusters(every) and len(linking) == len(texts) - len(found)


def test_known_similarity():
    # " abcd " has the 5-grams " abcd" and "abcd "; " abcde " shares the first of its three.
    ((j, hits, similarity),) = similar_rows(["abcd", "abcde"], 0.2)
    assert (j, hits.tolist(), similarity.tolist()) == (1, [0], [pytest.approx(1 / 4)])


def test_texts_that_are_all_alike_give_one_link_each_and_not_one_for_each_pair():
    words = np.random.default_rng(0).permutation(10**6)[:1200]
    assert len(linking_pairs([f"{'the same long beginning of all of them ' * 4}{word}" for word in words], 0.5)) == 1199


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_thresholds_outside_the_unit_interval_are_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        list(similar_rows(["a"], threshold))
