"""Wilson and clustered bootstrap intervals against published values, scipy and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from anatomy.errors import DataError, NumericsError
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval, wilson_interval

OPTIONS = {"confidence": 0.95, "seed": 3, "resamples": 4000}


def sample(values, groups=None) -> Sample:
    values = np.asarray(values, dtype=np.float64)
    return Sample(values, np.arange(values.size) if groups is None else np.asarray(groups))


def test_wilson_published_value():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 and 0 of 20
    some = wilson_interval(81, 263, 0.95)
    assert (round(some.low, 4), round(some.high, 4)) == (0.2553, 0.3662)
    none = wilson_interval(0, 20, 0.95)
    assert none.low == 0.0 and round(none.high, 4) == 0.1611


@given(n=st.integers(1, 500), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_equals_scipy(n, share, confidence):
    k = round(share * n)
    ours = wilson_interval(k, n, confidence)
    theirs = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(DataError, match="successes"):
        wilson_interval(k, n, 0.95)


def test_single_item_clusters_of_a_rate_get_wilson():
    got = mean_interval(sample([1, 1, 0, 0, 1]), **OPTIONS)
    assert (got.low, got.high) == (wilson_interval(3, 5, 0.95).low, wilson_interval(3, 5, 0.95).high)


def test_bootstrap_width_matches_normal_theory():
    values = np.random.default_rng(0).normal(size=400)
    got = mean_interval(sample(values), **OPTIONS)
    standard_error = values.std() / 20
    # Monte Carlo error of a 97.5 % quantile from 4000 draws is about 2.5 % of the half width
    assert got.high - got.low == pytest.approx(2 * 1.96 * standard_error, rel=0.08)


def test_perfectly_dependent_items_widen_the_interval():
    clustered = mean_interval(sample(np.repeat([0, 1, 1, 0, 1] * 8, 10), np.repeat(np.arange(40), 10)), **OPTIONS)
    independent = mean_interval(sample(np.repeat([0, 1, 1, 0, 1] * 8, 10)), **OPTIONS)
    assert clustered.n == independent.n == 400 and clustered.clusters == 40
    # ten copies of each item carry the information of one: the width grows by sqrt(10)
    ratio = (clustered.high - clustered.low) / (independent.high - independent.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)


def test_constant_clustered_rate_has_the_wilson_bound():
    got = mean_interval(sample(np.zeros(20), np.repeat(np.arange(10), 2)), **OPTIONS)
    assert got.low == 0.0 and got.high == pytest.approx(0.1611, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(0, 2**31))
def test_bootstrap_stays_within_the_data_and_repeats(values, seed):
    data = sample(values, np.arange(len(values)) // 2)
    first = mean_interval(data, confidence=0.95, seed=seed, resamples=200)
    if np.isin(values, (0.0, 1.0)).all():
        return
    assert min(values) - 1e-9 <= first.low <= first.high <= max(values) + 1e-9
    assert first == mean_interval(data, confidence=0.95, seed=seed, resamples=200)


def test_amounts_of_nothing_are_no_rate_of_rare_events():
    nothing = Sample(np.zeros(16), np.arange(16).astype(object), amounts=True)
    got = mean_interval(nothing, confidence=0.95, seed=0, resamples=200)
    assert (got.estimate, got.low, got.high) == (0.0, 0.0, 0.0)
    assert mean_interval(sample([0.0] * 16), confidence=0.95, seed=0, resamples=200).high > 0.1


def test_samples_refuse_nan_and_missing_groups():
    with pytest.raises(NumericsError, match="1 outcomes that are NaN"):
        sample([0.0, np.nan])
    with pytest.raises(DataError, match="2 outcomes and 1 groups"):
        sample([0.0, 1.0], [0])
