"""Paired and independent differences of rates."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from anatomy.statistics.clusters import Sample
from anatomy.statistics.paired import difference_interval, sign_flip_p

OPTIONS = {"confidence": 0.95, "seed": 5, "resamples": 4000}


def sample(values, groups=None) -> Sample:
    values = np.asarray(values, dtype=np.float64)
    return Sample(values, np.arange(values.size) if groups is None else np.asarray(groups))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_sign_flips_of_single_items_are_mcnemar(gained, lost, same):
    data = sample([1] * gained + [-1] * lost + [0] * (same + 1))
    for alternative in ("greater", "two-sided"):
        p = sign_flip_p(data, alternative=alternative, seed=0, resamples=10)
        exact = binomtest(gained, gained + lost, 0.5, alternative=alternative).pvalue if gained + lost else 1.0
        assert p == pytest.approx(exact, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_sign_flips_by_convolution_equal_enumeration(net):
    flips = np.array(list(itertools.product((-1, 1), repeat=len(net)))) @ np.array(net)
    p = sign_flip_p(sample(net), alternative="greater", seed=0, resamples=10)
    assert p == pytest.approx((flips >= sum(net)).mean(), abs=1e-12)


def test_copies_of_an_item_add_no_evidence():
    once = sign_flip_p(sample([1] * 6 + [-1] * 2), alternative="greater", seed=0, resamples=10)
    groups = np.repeat(np.arange(8), 5)
    copied = sign_flip_p(sample(np.repeat([1] * 6 + [-1] * 2, 5), groups), alternative="greater", seed=0, resamples=10)
    assert copied == pytest.approx(once, abs=1e-12)


def test_continuous_sign_flips_agree_with_the_exact_value():
    values = np.array([0.5, 0.25, 0.3, 0.9, -0.2, 0.7])
    flips = np.array(list(itertools.product((-1, 1), repeat=6))) @ values
    exact = (flips >= values.sum() - 1e-9).mean()
    got = sign_flip_p(sample(values), alternative="greater", seed=1, resamples=20000)
    # standard error of the Monte Carlo share is below .0018 here
    assert got == pytest.approx(exact, abs=0.008)


def test_paired_interval_covers_at_the_stated_rate():
    generator = np.random.default_rng(11)
    truth, covered = 0.2, 0
    for trial in range(200):
        net = np.repeat(generator.choice([1, 0, -1], p=[0.3, 0.6, 0.1], size=60), 3)
        data = Sample(net.astype(float), np.repeat(np.arange(60), 3), signed=True)
        got = difference_interval(data, None, confidence=0.95, seed=trial, resamples=400).interval
        covered += got.low <= truth <= got.high
    # 95 % nominal; 200 trials have a standard error of 1.5 points
    assert 0.90 <= covered / 200 <= 0.99


@pytest.mark.parametrize("groups", [np.zeros(24), np.arange(24)])
def test_an_interval_of_a_metric_that_is_no_share_has_its_estimate_inside(groups):
    got = difference_interval(Sample(np.full(24, 2.97), groups, signed=True), None, **OPTIONS).interval
    assert got.low <= got.estimate <= got.high


def test_no_change_is_not_certainty():
    none = Sample(np.zeros(98), np.arange(98), signed=True)
    got = difference_interval(none, None, **OPTIONS).interval
    # Bonett & Price: one change each way among 100, 1.96 * sqrt(2 / 100 / 100)
    assert got.estimate == 0.0
    assert got.high == pytest.approx(0.02772, abs=1e-5) and got.low == -got.high


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05])
def test_rare_changes_are_covered(share):
    generator = np.random.default_rng(8)
    covered = 0
    for trial in range(300):
        lost = -generator.binomial(1, share, size=96).astype(float)
        data = Sample(lost, np.arange(96) // 4, signed=True)
        got = difference_interval(data, None, confidence=0.95, seed=trial, resamples=200).interval
        covered += got.low <= -share <= got.high
    # nominal 95 %, 300 trials: 92.5 % is two standard errors below; a plain bootstrap covers at most 38 % at a share of .005
    assert covered / 300 >= 0.925


def test_independent_difference_matches_normal_theory():
    generator = np.random.default_rng(2)
    one, two = generator.binomial(1, 0.8, 300), generator.binomial(1, 0.3, 200)
    got = difference_interval(sample(one), sample(two, np.arange(200) + 1000), **OPTIONS).interval
    error = np.sqrt(one.var() / 300 + two.var() / 200)
    assert got.estimate == pytest.approx(one.mean() - two.mean())
    assert got.high - got.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_shared_clusters_make_a_pair_difference_tighter():
    base = np.random.default_rng(4).normal(size=150)
    tied = difference_interval(sample(base + 1), sample(base), **OPTIONS).interval
    loose = difference_interval(sample(base + 1), sample(base, np.arange(150) + 1000), **OPTIONS).interval
    # partners in one cluster cancel what they share
    assert (tied.high - tied.low) < 0.05 * (loose.high - loose.low)
