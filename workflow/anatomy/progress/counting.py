"""How far a long computation is: counted where the loop runs, told to whoever listens.

A loop wraps what it goes through in ``counted``, or holds a ``Progress``. Both work anywhere, in a notebook too; within a job
(``anatomy.runs.job``) what they count goes to the job's reporter, as logging goes to its handlers. Whatever is counted inside
another count is a part of it: a stage that counts its parts makes the fractions of all loops below it fractions of the job.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
Units = int | float

WINDOW_SECONDS = 60.0
"""The rate is that of the last minute: it follows a machine that is given other work, and is not shaken by one slow unit."""


@runtime_checkable
class Reporter(Protocol):
    """Who is told of every count of a process."""

    def changed(self, open_counts: list[Progress], boundary: bool) -> None:
        """Called after each step.

        Args:
            open_counts: the outermost first.
            boundary: whether a count began or ended, rather than went on.
        """


_open: list[Progress] = []
_reporters: list[Reporter] = []


@contextlib.contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Tell a reporter of all counts made meanwhile in this process."""
    before = list(_open)
    _open.clear()
    _reporters.append(reporter)
    try:
        yield
    finally:
        _reporters.pop()
        _open[:] = before


class Progress:
    """Counts units; says how many, how fast, and how long the rest takes.

    Args:
        what: what is counted, in words: "prompts read".
        total: units in all.
        say: receives a line after each step where nobody listens in this process.
        whole: whether this count is all that its job does, or nearly.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        what: str,
        total: Units,
        say: Callable[[str], None] | None = None,
        *,
        whole: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.total, self.whole = what, total, whole
        self.done: Units = 0
        self.before: Units = 0
        self.tokens = 0
        self._say, self._clock = say, clock
        self._part: Units = 1
        self._inside = 0.0
        self._started = clock()
        self._marks: deque[tuple[float, float, int]] = deque([(self._started, 0.0, 0)])
        if total > 0 and _reporters:
            _open.append(self)
            self._tell(boundary=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def advance(self, units: Units = 1, tokens: int = 0) -> None:
        """Count units that are done; the last one ends the count."""
        self.done += units
        self.tokens += tokens
        self._inside = 0.0
        now = self._clock()
        self._marks.append((now, self.done, self.tokens))
        while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW_SECONDS:
            self._marks.popleft()
        if self in _open:  # what was begun inside and left open is over
            del _open[_open.index(self) + 1 :]
        if self._say is not None and not _reporters:
            self._say(self.line())
        if self.finished:
            self.close()
        else:
            self._tell(boundary=False)

    def resume(self, units: Units) -> None:
        """Units that were done before, in a computation that goes on: they say nothing of the rate."""
        self.done += units
        self.before += units
        self._marks.clear()
        self._marks.append((self._clock(), self.done, self.tokens))
        self._tell(boundary=True)

    @contextlib.contextmanager
    def part(self, units: Units = 1) -> Iterator[None]:
        """Counts made in the body fill so many of this count's units, all of which are done at its end."""
        before, self._part, self._inside = self._part, units, 0.0
        try:
            yield
        finally:
            self._part = before
        self.advance(units)

    def close(self) -> None:
        """End the count, and what was begun inside it."""
        if self in _open:
            place = _open.index(self)
            if place and self.finished:
                _open[place - 1]._inside = 1.0
            del _open[place:]
            self._tell(boundary=True)

    @property
    def finished(self) -> bool:
        """Whether all units are done; sums of fractions of units need not be exact."""
        return self.done >= self.total * (1 - 1e-9)

    @property
    def fraction(self) -> float:
        """Share that is done, with the furthest count inside the present step; in [0, 1]."""
        if self in _open and _open[-1] is not self:
            self._inside = max(self._inside, _open[_open.index(self) + 1].fraction)
        return min(1.0, (self.done + self._part * self._inside) / self.total) if self.total > 0 else 1.0

    def rates(self) -> tuple[float, float]:
        """Units and tokens a second, lately."""
        then, done, tokens = self._marks[0]
        passed = max(self._clock() - then, 1e-9)
        return (self.done - done) / passed, (self.tokens - tokens) / passed

    def count(self) -> str:
        """``score: 40/120``."""
        digits = 0 if self.total >= 10 or self.total == int(self.total) else 1
        return f"{self.what}: {self.done:.{digits}f}/{self.total:.{digits}f}"

    def line(self) -> str:
        """``score: 40/120, 2.1/s, 38 s left``."""
        rate, tokens = self.rates()
        left = duration((self.total - self.done) / rate if rate else float("inf"))
        end = "done" if self.finished else f"{left} left"
        return ", ".join([self.count(), f"{rate:.3g}/s", *[f"{tokens:.0f} tokens/s"] * bool(self.tokens), end])

    def _tell(self, boundary: bool) -> None:
        for reporter in _reporters[-1:]:
            reporter.changed(list(_open), boundary)


def counted(items: Iterable[Item], what: str, total: Units, units: Callable[[Item], Units] = lambda item: 1) -> Iterator[Item]:
    """Go through items and count them as their bodies end.

    Args:
        what, total: as ``Progress``.
        units: how many an item is.
    """
    with Progress(what, total) as progress:
        for item in items:
            with progress.part(units(item)):
                yield item


def duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2.5 h``; without an end, ``?``."""
    if seconds == float("inf"):
        return "?"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def moving(seconds: float, seconds_too: bool = False) -> str:
    """A duration for a line that is looked at: ``12 s``, ``3 min 20 s``, ``2 h 05 min``, so that one sees it move.

    Args:
        seconds_too: also of hours.
    """
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min" + (f" {rest:02d} s" if seconds_too else "")
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
