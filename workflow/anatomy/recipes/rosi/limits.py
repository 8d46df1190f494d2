"""What an edit may cost on the select split, decided by intervals at the number of prompts at hand.

A limit is broken where the whole interval of a cost lies above it, and held where the whole interval lies below; between the two
it is not decided, and the edit stays in the search. A point estimate above the limit says little: among 16 prompts, one refusal
more is a rise of .06.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anatomy.config.methods import Statistics
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import Interval
from anatomy.statistics.paired import change_intervals, difference_interval


def intervals_of(changes: np.ndarray, groups: np.ndarray, wanted: Statistics) -> list[Interval]:
    """Intervals of mean changes ``[variant, item]`` of the same items under several variants."""
    return change_intervals(changes, groups, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)


def verdict_of(low: float, high: float, limit: float) -> str:
    """Where an interval of a cost lies: ``broken``, ``held`` or ``not decided``."""
    if low > limit:
        return "broken"
    return "held" if high <= limit else "not decided"


def least_broken(n: int, limit: float, wanted: Statistics) -> int | None:
    """The smallest number of prompts among ``n`` that have to change, all to the worse, before a limit counts as broken.

    None where even a change of all of them would not do.
    """
    for changed in range(1, n + 1):
        if changed / n > limit:
            sample = Sample(np.repeat([1.0, 0.0], [changed, n - changed]), np.arange(n), signed=True)
            found = difference_interval(
                sample, None, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap
            ).interval
            if found.low > limit:
                return changed
    return None


def undecided(n: int, limit: float, wanted: Statistics) -> str:
    """In words, what ``n`` prompts can say of a limit on a rise."""
    least = least_broken(n, limit, wanted)
    if least is None:
        return f"{n} prompts cannot show a rise above {limit:.0%}"
    return f"with {n} prompts a rise counts as above {limit:.0%} from {least} of them on ({least / n:.0%})"


def mean_loss(before: Sequence[pd.Series], after: Sequence[pd.Series], wanted: Statistics) -> Interval:
    """The mean over tasks of the loss on each, with an interval that adds up the tasks' own.

    Args:
        before, after: for each task the scores of the unedited and of the edited model, items in the same order.
    """
    parts = []
    for one, other in zip(before, after, strict=True):
        items = np.arange(len(one))
        sample = Sample(one.to_numpy(np.float64) - other.to_numpy(np.float64), items, signed=True)
        parts.append(
            difference_interval(sample, None, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap).interval
        )
    estimate = float(np.mean([part.estimate for part in parts]))
    down, up = (
        float(np.sqrt(sum((getattr(part, side) - part.estimate) ** 2 for part in parts))) / len(parts) for side in ("low", "high")
    )
    n = sum(part.n for part in parts)
    return Interval(estimate, estimate - down, estimate + up, n, n)
