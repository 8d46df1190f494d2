"""What a set of candidates reaches at a cost: its Pareto front, and the best gain within each limit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def on_front(cost: Float[np.ndarray, " candidate"], gain: Float[np.ndarray, " candidate"]) -> Bool[np.ndarray, " candidate"]:
    """Which candidates no other one beats: none costs as little and gains more, or gains as much and costs less.

    Equal candidates stand on the front together. A candidate whose cost or gain is not known (NaN) is not on it, and beats none.
    """
    known = ~(np.isnan(cost) | np.isnan(gain))
    no_worse = (cost[:, None] <= cost[None]) & (gain[:, None] >= gain[None])
    better = no_worse & ((cost[:, None] < cost[None]) | (gain[:, None] > gain[None]))
    return known & ~better[known].any(axis=0)


def reached(
    cost: Float[np.ndarray, " candidate"], gain: Float[np.ndarray, " candidate"], limit: Float[np.ndarray, " limit"]
) -> Float[np.ndarray, " limit"]:
    """The highest gain of a candidate that costs no more than each limit; NaN where none costs so little.

    A front read as a step function: it never falls as the limit rises.
    """
    known = ~(np.isnan(cost) | np.isnan(gain))
    order = np.argsort(cost[known], kind="stable")
    best = np.concatenate([[np.nan], np.fmax.accumulate(gain[known][order])])
    return best[np.searchsorted(cost[known][order], limit, side="right")]
