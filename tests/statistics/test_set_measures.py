"""Intervals of set measures: equal to the textbook's where the statistic is a mean."""

import numpy as np
import pytest

from anatomy.errors import DataError, NumericsError
from anatomy.statistics.set_measures import bootstrap_interval, jackknife_interval

VALUES = np.random.default_rng(0).normal(size=40)
GROUPS = [f"g{k // 2}" for k in range(40)]


def mean(rows):
    return float(VALUES[rows].mean())


def test_the_jackknife_of_a_mean_is_its_standard_error():
    got = jackknife_interval([str(k) for k in range(40)], mean, confidence=0.95)
    assert (got.high - got.low) / 2 == pytest.approx(1.959964 * VALUES.std(ddof=1) / np.sqrt(40), rel=1e-6)
    assert got.estimate == pytest.approx(VALUES.mean())


def test_the_bootstrap_draws_whole_groups():
    seen = []

    def statistic(rows):
        seen.append(rows)
        return mean(rows)

    got = bootstrap_interval(GROUPS, statistic, confidence=0.9, seed=0, resamples=50)
    for rows in seen:
        counts = np.bincount(rows, minlength=40)
        assert (counts[::2] == counts[1::2]).all() and counts.sum() == 40
    assert got.low < got.estimate < got.high and got.clusters == 20


def test_statistics_that_are_no_number_and_too_few_groups_are_refused():
    with pytest.raises(NumericsError):
        bootstrap_interval(GROUPS, lambda rows: float("nan"), confidence=0.9, seed=0, resamples=5)
    with pytest.raises(DataError):
        jackknife_interval(["a", "b"], mean, confidence=0.9)
