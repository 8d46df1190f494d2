"""Ranks in a control distribution."""

import numpy as np
import pytest

from anatomy.errors import DataError
from anatomy.statistics.controls import compare_with_controls


def test_nineteen_controls_just_reach_five_percent_one_sided():
    controls = np.linspace(-0.1, 0.1, 19)
    assert compare_with_controls(0.5, controls, side="greater").p == pytest.approx(0.05)
    assert compare_with_controls(0.5, controls, side="two-sided").p == pytest.approx(0.10)
    assert compare_with_controls(0.5, np.linspace(-0.1, 0.1, 39), side="two-sided").p == pytest.approx(0.05)


def test_ties_count_against_the_method():
    assert compare_with_controls(0.0, np.zeros(19), side="greater").p == 1.0


def test_sides():
    controls = np.arange(9.0)
    assert compare_with_controls(7.5, controls, side="greater").p == pytest.approx(0.2)
    assert compare_with_controls(7.5, controls, side="less").p == pytest.approx(0.9)
    got = compare_with_controls(7.5, controls, side="two-sided")
    assert (got.p, got.n, got.low, got.median, got.high) == (pytest.approx(0.4), 9, 0.0, 4.0, 8.0)


def test_p_is_exactly_uniform_when_the_method_is_one_of_the_controls():
    values = np.random.default_rng(0).permutation(20).astype(np.float64)
    p = [compare_with_controls(float(values[i]), np.delete(values, i), side="greater").p for i in range(20)]
    # each of the 20 places is equally likely under the null, so p <= .05 happens once in 20
    assert sorted(p) == pytest.approx(np.arange(1, 21) / 20)


def test_no_controls_is_an_error():
    with pytest.raises(DataError, match="0 controls"):
        compare_with_controls(0.1, np.array([]), side="greater")
