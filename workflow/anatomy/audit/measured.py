"""One measure of an audit: the change of the edited model beside those of controls, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from anatomy.statistics.clusters import Sample
from anatomy.statistics.controls import compare_with_controls
from anatomy.statistics.intervals import Interval, mean_interval
from anatomy.statistics.paired import difference_interval

CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 0
"""Of the intervals."""

ORIGINAL, EDITED, CONTROL = "original", "edited", "control"
"""States of the model; a control's name goes on with its number."""


@dataclass(frozen=True)
class Measure:
    """What is asked of every state.

    Attributes:
        name: in tables.
        groups: of each prompt or item; those of one group are no independent draws.
        distance: from the original, which then has none of its own; else an outcome of each state.
        benchmark: whether it is one of lm-eval's tasks.
    """

    name: str
    groups: np.ndarray
    distance: bool = False
    benchmark: bool = False


@dataclass(frozen=True)
class Measured:
    """One measure.

    Attributes:
        name: of the measure.
        before: mean of the original; None for a distance from it.
        after: mean of the edited model.
        change: ``after - before`` of the same prompts, or the mean distance, with its interval.
        controls: the same of each control.
        p: two-sided rank among the controls; NaN without any.
        benchmark: whether it is one of lm-eval's tasks.
    """

    name: str
    before: float | None
    after: float
    change: Interval
    controls: tuple[float, ...]
    p: float
    benchmark: bool = False


def measured(measure: Measure, outcomes: Mapping[str, Float64[np.ndarray, " item"]]) -> Measured:
    """From outcomes by state of the model to the change, paired item by item.

    Args:
        outcomes: of ``ORIGINAL``, ``EDITED`` and controls, items in the same order.
    """
    before = None if measure.distance else outcomes[ORIGINAL]
    changes = {name: values if before is None else values - before for name, values in outcomes.items()}
    sample = Sample(changes[EDITED], measure.groups, signed=not measure.distance, amounts=measure.distance)
    if measure.distance:
        interval = mean_interval(sample, confidence=CONFIDENCE, seed=SEED, resamples=RESAMPLES)
    else:
        interval = difference_interval(sample, None, confidence=CONFIDENCE, seed=SEED, resamples=RESAMPLES).interval
    others = np.array([values.mean() for name, values in changes.items() if name.startswith(CONTROL)])
    p = compare_with_controls(interval.estimate, others, side="two-sided").p if others.size else float("nan")
    after = float(outcomes[EDITED].mean())
    mean = None if before is None else float(before.mean())
    return Measured(measure.name, mean, after, interval, tuple(map(float, others)), p, measure.benchmark)


def behaviour_table(found: Sequence[Measured]) -> pd.DataFrame:
    """One row a measure."""
    return pd.DataFrame(
        [
            {
                "measure": one.name,
                "original": one.before,
                "edited": one.after,
                "change": one.change.estimate,
                "low": one.change.low,
                "high": one.change.high,
                "prompts": one.change.n,
                "controls": len(one.controls),
                "from": min(one.controls, default=None),
                "to": max(one.controls, default=None),
                "rank p": one.p,
            }
            for one in found
        ]
    )
