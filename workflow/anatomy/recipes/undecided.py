"""What a study of a certain size cannot decide, whatever the model does: computed from the statistics that decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from anatomy.config.methods import Statistics
from anatomy.config.schema import Config
from anatomy.statistics.clusters import Sample
from anatomy.statistics.controls import compare_with_controls
from anatomy.statistics.equivalence import place_in_margin
from anatomy.statistics.intervals import Interval
from anatomy.statistics.paired import difference_interval

MOST = 10_000
"""Prompts or controls beyond which nobody asks."""

RESAMPLES = 1000
"""Of the bootstrap. The adjusted interval is the wider one where hardly any answer changes."""


def undecided(config: Config, harmful: int, benign: int) -> Iterator[str]:
    """One sentence for each question that the study is too small for, with what would be needed.

    Args:
        harmful, benign: prompts of the test split.
    """
    wanted, evaluation = config.statistics, config.evaluation
    controls, needed = config.extraction.controls.total, least_controls(wanted.control_level)
    if controls < needed:
        yield (
            f"whether the direction or an edit does more than a random direction: control directions here: {controls}, and a "
            f"rank with p <= {wanted.control_level:g} needs {needed}"
        )
    enough = least_prompts(wanted.benign_margin, wanted.confidence)
    if benign < enough:
        yield (
            f"whether an edit keeps answering benign requests, within {wanted.benign_margin:g}: {benign} test prompts, and even "
            f"if not one answer changed {enough} would be needed"
        )
    visible = least_change(harmful, wanted.confidence)
    yield (
        f"a change of fewer than {visible} of the {harmful} answers to harmful test prompts ({visible / harmful:.0%})"
        if visible
        else f"any change in the answers to {harmful} harmful test prompts"
    )
    if not config.benchmarks.tasks:
        yield "what an edit costs on benchmarks: none are run"
    if not evaluation.lookalikes:
        yield "over-refusal of harmless requests that look harmful: no such set (evaluation.lookalikes)"
    if not evaluation.jailbreaks:
        yield "jailbreaks: no such set (evaluation.jailbreaks)"


def least_controls(level: float) -> int:
    """The fewest controls among which a first rank has a p of at most ``level``."""
    return next(count for count in range(1, MOST) if compare_with_controls(1.0, np.zeros(count), side="greater").p <= level)


@cache
def least_prompts(margin: float, confidence: float) -> int:
    """The fewest prompts at which the interval of a paired change excludes a fall by ``margin`` if no answer changes."""
    return _first(lambda count: place_in_margin(_changed(0, count, confidence), margin, side="lower") == "inside")


def least_change(count: int, confidence: float) -> int:
    """The fewest answers of ``count`` that have to change, all one way, for the interval to exclude zero; 0 where none do."""
    return next((changed for changed in range(1, count + 1) if _changed(changed, count, confidence).low > 0), 0)


def _changed(changed: int, count: int, confidence: float) -> Interval:
    """The interval of a paired change where so many answers changed, all upwards."""
    values = np.concatenate([np.ones(changed), np.zeros(count - changed)])
    sample = Sample(values, np.arange(count), signed=True)
    return difference_interval(sample, None, confidence=confidence, seed=Statistics().seed, resamples=RESAMPLES).interval


def _first(holds: Callable[[int], bool]) -> int:
    """The smallest number for which something holds that holds for all larger ones; ``MOST`` where it is larger than that."""
    low, high = 1, MOST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
