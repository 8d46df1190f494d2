"""MAUVE: its ends, its symmetry, and a value worked out apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import beta

from anatomy.errors import DataError
from anatomy.texts.affinity.mauve import frontier_area, quantise

histograms = st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any).map(lambda counts: np.array(counts) / sum(counts))


@settings(deadline=None, max_examples=50)
@given(histograms, histograms)
def test_it_is_symmetric_and_between_0_and_1(p, q):
    area = frontier_area(p, q)
    assert 0 <= area <= 1 + 1e-9 and frontier_area(q, p) == pytest.approx(area, abs=1e-9)
    assert frontier_area(p, p) == pytest.approx(1, abs=1e-9)


def test_histograms_that_do_not_meet_are_near_0():
    """Disjoint: KL(P || R_w) = -ln w, so the frontier is x = (1 - w)^5, y = w^5, and its area the integral of 5 w^5 (1 - w)^4."""
    exact = 5 * beta(6, 5)
    # 25 mixtures with straight lines between them lie a little above a convex curve.
    assert frontier_area(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(exact, abs=2e-3)


def test_vectors_of_one_cloud_are_alike_and_of_two_are_not():
    rng = np.random.default_rng(0)
    one, two, far = rng.normal(size=(60, 5)), rng.normal(size=(60, 5)), rng.normal(5, 1, size=(60, 5)) * [1, -1, 1, 1, 1]

    def value(a, b):
        left, right, k = quantise(a, b, seed=0)
        assert k == 6
        return frontier_area(*(np.bincount(x, minlength=k) / len(x) for x in (left, right)))

    assert value(one, two) > 0.6 > 0.1 > value(one, far)


def test_too_few_texts_are_refused():
    with pytest.raises(DataError):
        quantise(np.ones((1, 3)), np.zeros((9, 3)), seed=0)
