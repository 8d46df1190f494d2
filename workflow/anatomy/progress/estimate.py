"""How long jobs of a rule take: remembered from earlier runs of the same results, learned from this one."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from anatomy.errors import StoreError
from anatomy.store.files import read_json, write_json

KEPT = 20
"""Durations kept a rule, the latest: enough for a mean, and old machines are forgotten."""


class Durations:
    """Seconds that jobs took, by rule.

    Args:
        known: rule to seconds, oldest first.
    """

    def __init__(self, known: dict[str, list[float]] | None = None) -> None:
        self._known = {rule: list(seconds) for rule, seconds in (known or {}).items()}

    def learn(self, rule: str, seconds: float) -> None:
        self._known[rule] = [*self._known.get(rule, []), round(seconds, 2)][-KEPT:]

    def expected(self, rule: str) -> float | None:
        """Mean seconds of a rule's jobs; for a rule never seen the mean of all others, None if nothing is known."""
        if self._known.get(rule):
            return fmean(self._known[rule])
        return fmean(map(fmean, self._known.values())) if self._known else None

    def write(self, path: Path) -> None:
        write_json(path, self._known)

    @classmethod
    def read(cls, path: Path) -> Durations:
        """What is remembered; nothing where the file is missing or no such table, since it only serves estimates."""
        try:
            known = read_json(path)
            return cls({str(rule): [float(value) for value in seconds] for rule, seconds in known.items() if seconds})
        except (StoreError, AttributeError, TypeError, ValueError):
            return cls()
