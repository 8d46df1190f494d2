"""Margin tests: kept, changed, undecided."""

import numpy as np
import pytest
from scipy.stats import norm

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample
from anatomy.statistics.equivalence import equivalence_p, exceedance_p, place_in_margin
from anatomy.statistics.intervals import Interval
from anatomy.statistics.paired import difference_interval


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, float(low), float(high), 100, 100)


def differences(gained: int, lost: int, n: int):
    values = np.array([1.0] * gained + [-1.0] * lost + [0.0] * (n - gained - lost))
    sample = Sample(values, np.arange(n), signed=True)
    return difference_interval(sample, None, confidence=0.95, seed=0, resamples=4000)


@pytest.mark.parametrize(
    ("low", "high", "side", "place"),
    [
        (-0.02, 0.03, "both", "inside"),
        (-0.06, 0.03, "both", "across"),
        (-0.02, 0.07, "both", "across"),
        (-0.02, 0.07, "lower", "inside"),
        (-0.20, -0.06, "both", "outside"),
        (0.06, 0.20, "both", "outside"),
        (0.06, 0.20, "lower", "inside"),
        (-0.20, 0.20, "lower", "across"),
        # an interval that touches the margin is not inside it
        (-0.05, 0.01, "both", "across"),
    ],
)
def test_place_in_margin(low, high, side, place):
    assert place_in_margin(interval(low, high), 0.05, side=side) == place


@pytest.mark.parametrize(("margin", "side"), [(0.0, "both"), (-0.1, "both"), (0.05, "upper")])
def test_a_margin_must_be_positive_and_its_side_known(margin, side):
    with pytest.raises(DataError, match="margin"):
        place_in_margin(interval(0, 0.1), margin, side=side)


def test_few_items_cannot_show_equivalence():
    few = differences(0, 0, 20)
    many = differences(0, 0, 300)
    assert place_in_margin(few.interval, 0.05, side="both") == "across"
    assert place_in_margin(many.interval, 0.05, side="both") == "inside"


def test_p_agrees_with_the_interval():
    for gained, lost, n in [(2, 3, 300), (10, 30, 200), (0, 0, 300), (0, 0, 20)]:
        difference = differences(gained, lost, n)
        inside = place_in_margin(difference.interval, 0.05, side="both") == "inside"
        p = equivalence_p(difference, 0.05, side="both")
        assert (p < 0.025) == inside or 0.02 < p < 0.03


def test_no_change_p_is_that_of_two_added_events():
    difference = differences(0, 0, 98)
    # one event each way among 100: the standard error is sqrt(2 / 100 / 100)
    expected = norm.sf(0.05 / np.sqrt(2e-4))
    assert equivalence_p(difference, 0.05, side="both") == pytest.approx(max(expected, 1 / 4001), rel=1e-9)
    assert exceedance_p(difference, -0.03) == pytest.approx(norm.sf(0.03 / np.sqrt(2e-4)), rel=1e-9)
    assert exceedance_p(difference, 0.05) == 1.0


def test_more_change_is_never_easier_to_call_kept():
    p = [equivalence_p(differences(0, lost, 96), 0.05, side="both") for lost in range(6)]
    assert p == sorted(p)
    lows = [differences(0, lost, 96).interval.low for lost in range(6)]
    assert lows == sorted(lows, reverse=True)
