"""How long jobs take: the plan's cost model, corrected by this run's jobs as they go on and end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import exp, log
from statistics import fmean

FAITH_SECONDS = 20.0
"""Of planned work that counts as if it had come true: one short job that was slow does not decide over a day of others."""


class Estimate:
    """Seconds that jobs are expected to take.

    Args:
        planned: job to seconds by the cost model; what is missing here is taken from jobs of the same rule.
    """

    def __init__(self, planned: Mapping[str, float] | None = None) -> None:
        self.planned: dict[str, float] = dict(planned or {})
        self.over: set[str] = set()
        self._took: dict[str, list[float]] = defaultdict(list)
        self._ended: dict[str, tuple[str, float, float]] = {}
        self._going: dict[str, tuple[str, float, float]] = {}

    def ended(self, job: str, rule: str, seconds: float) -> None:
        """A job ended well."""
        self._going.pop(job, None)
        self.over.add(job)
        self._took[rule].append(seconds)
        if job in self.planned:
            self._ended[job] = (rule, self.planned[job], seconds)

    def going(self, job: str, rule: str, seconds: float, fraction: float | None) -> None:
        """A running job has done this fraction in so many seconds; None forgets what was known of it."""
        self._going.pop(job, None)
        if fraction and job in self.planned:
            self._going[job] = (rule, self.planned[job] * fraction, seconds)

    def expected(self, job: str, rule: str) -> float | None:
        """Seconds of a whole job; None where neither plan nor jobs of this run say anything."""
        planned = self.planned.get(job)
        if planned is not None:
            return planned * self._correction(rule)
        if self._took[rule]:
            return fmean(self._took[rule])
        known = [fmean(seconds) for seconds in self._took.values() if seconds]
        if known:
            return fmean(known)
        return fmean(self.planned.values()) * self._correction(rule) if self.planned else None

    def _correction(self, rule: str) -> float:
        """Seconds taken over seconds planned: of the rule's jobs, and as far as those say little, of all."""
        seen = [*self._ended.values(), *self._going.values()]
        everywhere = _typical_ratio((planned, seconds) for _, planned, seconds in seen)
        return _ratio(((planned, seconds) for name, planned, seconds in seen if name == rule), everywhere)


def _typical_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Geometric mean, weighted by what was planned: one job that the plan is far off on says little of other rules."""
    weight, total = FAITH_SECONDS, 0.0
    for planned, took in pairs:
        if planned > 0 and took > 0:
            weight, total = weight + planned, total + planned * log(took / planned)
    return exp(total / weight)


def _ratio(pairs: Iterable[tuple[float, float]], prior: float) -> float:
    planned, seconds = FAITH_SECONDS, FAITH_SECONDS * prior
    for one, took in pairs:
        planned, seconds = planned + one, seconds + took
    return seconds / planned
