import numpy as np
import pytest
from scipy.special import polygamma

from anatomy.statistics.racing import mean_bounds, moderated_variances


def test_nothing_is_left_to_guess_once_all_values_are_known():
    values = np.random.default_rng(0).normal(size=(5, 12))
    low, high = mean_bounds(values, 12, 0.01)
    assert np.array_equal(low, high) and low == pytest.approx(values.mean(1))
    low, high = mean_bounds(values[:, :1], 12, 0.01)
    assert np.isneginf(low).all() and np.isposinf(high).all()


@pytest.mark.parametrize("n", [2, 4, 16])
@pytest.mark.parametrize("unequal", [False, True])
def test_bounds_hold_the_mean_of_all_values_as_often_as_they_say(n, unequal):
    """Of 32 values of 2,000 rows, whose spreads are alike or not, n are seen."""
    generator = np.random.default_rng(n)
    spread = np.sqrt(5 / generator.chisquare(5, (2000, 1))) if unequal else 2.0
    values = generator.normal(size=(2000, 32)) * spread + generator.normal(size=(2000, 1))
    low, high = mean_bounds(values[:, :n], 32, 0.05)
    # 2,000 rows: 3 standard deviations of a share of .05 are .015.
    assert (low > values.mean(1)).mean() == pytest.approx(0.05, abs=0.015)
    assert (high < values.mean(1)).mean() == pytest.approx(0.05, abs=0.015)


def test_moderation_finds_how_alike_variances_are():
    generator = np.random.default_rng(1)
    true = 2.0 * 8 / generator.chisquare(8, 20000)
    seen = true * generator.chisquare(3, 20000) / 3
    moderated, freedom = moderated_variances(seen, 3)
    assert freedom == pytest.approx(3 + 8, rel=0.1)
    assert np.square(np.log(moderated / true)).mean() < 0.5 * np.square(np.log(seen / true)).mean()


def test_equal_variances_are_pooled():
    seen = 3.0 * np.random.default_rng(2).chisquare(4, 20) / 4
    moderated, freedom = moderated_variances(seen, 4)
    assert (freedom > 100) == (np.log(seen).var(ddof=1) < polygamma(1, 2.0) + polygamma(1, 48.0))
    assert np.ptp(moderated) < np.ptp(seen)


@pytest.mark.parametrize("variances", [[1.0, 2.0], [0.0, 0.0, 0.0, 4.0]])
def test_too_few_variances_say_nothing_of_each_other(variances):
    moderated, freedom = moderated_variances(np.array(variances), 3)
    assert moderated.tolist() == variances and freedom == 3
