"""Area under the ROC curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from anatomy.errors import DataError
from anatomy.statistics.separation import auroc, auroc_interval
from anatomy.statistics.several_separations import auroc_intervals


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_auroc_is_mann_whitney(ones, zeros):
    scores = np.array(ones + zeros, dtype=float)
    positive = np.array([True] * len(ones) + [False] * len(zeros))
    expected = mannwhitneyu(ones, zeros).statistic / (len(ones) * len(zeros))
    assert auroc(scores, positive) == pytest.approx(expected, abs=1e-12)


def test_weighted_draws_equal_auroc_of_repeated_items():
    # two clusters, so a resample is (2, 0), (1, 1) or (0, 2): all three values can be written down
    scores = np.array([1.0, 0.0, 2.0, 3.0])
    positive = np.array([True, False, True, False])
    groups = np.array(["a", "a", "b", "b"])
    got = auroc_interval(scores, positive, groups, confidence=0.999, seed=0, resamples=2000)
    assert got.estimate == pytest.approx(0.5)
    assert (got.low, got.high, got.n, got.clusters) == (0.0, 1.0, 4, 2)


def test_interval_width_matches_hanley_and_mcneil():
    generator = np.random.default_rng(1)
    scores = np.concatenate([generator.normal(1, 1, 150), generator.normal(0, 1, 150)])
    positive = np.arange(300) < 150
    got = auroc_interval(scores, positive, np.arange(300), confidence=0.95, seed=0, resamples=2000)
    a = got.estimate
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    # Hanley & McNeil 1982, equation 1
    error = np.sqrt((a * (1 - a) + 149 * (q1 - a * a) + 149 * (q2 - a * a)) / 150**2)
    assert got.high - got.low == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_several_rows_have_the_intervals_that_each_has_alone():
    """Ties, clusters of both classes, and resamples that lose a class."""
    generator = np.random.default_rng(2)
    scores = generator.integers(0, 5, size=(3, 12)).astype(float)
    positive = np.array([[True] * 3 + [False] * 9, [False] * 8 + [True] * 4, [True, False] * 6])
    groups = np.array(list("aabbccddeeff"))
    several = auroc_intervals(scores, positive, groups, confidence=0.9, seed=3, resamples=1500)
    for row, got in enumerate(several):
        alone = auroc_interval(scores[row], positive[row], groups, confidence=0.9, seed=3, resamples=1500)
        assert (got.estimate, got.low, got.high) == pytest.approx((alone.estimate, alone.low, alone.high), abs=1e-12)
        assert (got.n, got.clusters) == (alone.n, alone.clusters)


def test_one_class_is_an_error():
    with pytest.raises(DataError, match="both classes"):
        auroc(np.array([1.0, 2.0]), np.array([True, True]))
