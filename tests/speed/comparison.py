"""One line of the table: the same work done in two ways."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Comparison:
    """Two sides of a measure.

    Args:
        measure: what was done.
        against: the other way of doing it.
        target: of ``ratio``.
        goal: ``at least``: how many times less ours takes; ``at most``: our share of what the other side takes.
        ours: one number a repeat: seconds for the whole work, or what ``unit`` says.
        baseline: the same of the other side; extrapolated numbers stand for the whole work too.
        model: in words.
        work: the amount of work, in ``unit``; rates are work over seconds.
        unit: ``tokens``, ``questions``, ...; ``bytes`` or ``tokens passed`` where the two sides are that.
        note: what a reader must know: items, extrapolation, where the time goes.
    """

    measure: str
    against: str
    target: float
    goal: Literal["at least", "at most"]
    ours: list[float]
    baseline: list[float]
    model: str
    work: float = 1.0
    unit: str = "runs"
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ratio of medians, in the sense of the goal."""
        return self._of(median(self.ours), median(self.baseline))

    @property
    def ratios(self) -> list[float]:
        """The same repeat by repeat, where both sides have the same number of them."""
        if len(self.ours) != len(self.baseline):
            return []
        return [self._of(one, other) for one, other in zip(self.ours, self.baseline, strict=True)]

    @property
    def reached(self) -> bool:
        return self.ratio >= self.target if self.goal == "at least" else self.ratio <= self.target

    def _of(self, ours: float, baseline: float) -> float:
        return baseline / ours if self.goal == "at least" else ours / baseline

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
