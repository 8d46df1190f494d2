"""A Pareto front holds exactly what nothing beats, and read as a step function it never falls."""

import numpy as np
import pytest

from anatomy.statistics.pareto import on_front, reached


def candidates(seed, count=40):
    """Candidates with ties in both columns and a few that were not measured."""
    draw = np.random.default_rng(seed)
    cost, gain = draw.integers(-3, 8, count) / 4, draw.integers(0, 8, count) / 7
    cost[draw.random(count) < 0.1] = np.nan
    return cost.astype(float), gain.astype(float)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_beats_a_candidate_on_the_front_and_something_on_it_beats_every_other_one(seed):
    cost, gain = candidates(seed)
    front = on_front(cost, gain)

    def beaten(i, others):
        no_worse = (cost[others] <= cost[i]) & (gain[others] >= gain[i])
        return bool((no_worse & ((cost[others] < cost[i]) | (gain[others] > gain[i]))).any())

    everyone = ~np.isnan(cost)
    for i in np.flatnonzero(everyone):
        assert beaten(i, everyone) == (not front[i])
        assert front[i] or beaten(i, front)
    assert not front[~everyone].any()


@pytest.mark.parametrize("seed", range(20))
def test_order_and_monotone_scales_do_not_change_who_is_on_the_front(seed):
    cost, gain = candidates(seed)
    shuffled = np.random.default_rng(seed).permutation(len(cost))
    assert (on_front(cost[shuffled], gain[shuffled]) == on_front(cost, gain)[shuffled]).all()
    assert (on_front(np.exp(cost), 3 * gain - 1) == on_front(cost, gain)).all()


@pytest.mark.parametrize("seed", range(20))
def test_what_is_reached_never_falls_and_is_the_gain_of_the_front(seed):
    cost, gain = candidates(seed)
    limit = np.linspace(-2, 3, 30)
    best = reached(cost, gain, limit)
    assert np.isnan(best[limit < np.nanmin(cost)]).all()
    assert (np.diff(best[~np.isnan(best)]) >= 0).all()
    front = on_front(cost, gain)
    np.testing.assert_array_equal(reached(cost[front], gain[front], limit), best)
    np.testing.assert_array_equal(reached(cost, gain, cost[front]), gain[front])


def test_no_candidate_reaches_nothing():
    nothing = np.empty(0)
    assert on_front(nothing, nothing).shape == (0,)
    assert np.isnan(reached(nothing, nothing, np.array([0.0, 1.0]))).all()
