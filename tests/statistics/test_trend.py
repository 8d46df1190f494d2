"""Slopes over ordered levels."""

import numpy as np
import pytest

from anatomy.errors import DataError
from anatomy.statistics.trend import item_slopes


def test_mean_slope_is_the_regression_slope_of_the_rates():
    outcomes = np.random.default_rng(0).binomial(1, [0.9, 0.6, 0.4, 0.1], size=(80, 4)).astype(float)
    slopes = item_slopes(outcomes, np.arange(80))
    assert slopes.mean == pytest.approx(np.polyfit(np.arange(4), outcomes.mean(axis=0), 1)[0], abs=1e-12)


def test_one_level_is_no_trend():
    with pytest.raises(DataError, match="1 level"):
        item_slopes(np.ones((5, 1)), np.arange(5))
