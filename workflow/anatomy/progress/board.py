"""Which jobs run, wait, are done or have failed: a run's state, from the events its controller reports."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from anatomy.progress.estimate import Durations
from anatomy.serving.progress import duration


@dataclass(frozen=True)
class JobFacts:
    """One job that has been started.

    Args:
        rule: its rule.
        name: the rule and its wildcards' values, as a person reads it.
        logs: its log files.
        since: seconds on the board's clock.
    """

    rule: str
    name: str
    logs: tuple[str, ...]
    since: float


class Board:
    """The state of a run.

    Args:
        durations: what jobs of each rule took before; learns from this run.
        clock: seconds, monotonic.
    """

    def __init__(self, durations: Durations, clock: Callable[[], float] = time.monotonic) -> None:
        self.durations, self.clock = durations, clock
        self.started = clock()
        self.total = self.done = 0
        self.waiting: Counter[str] = Counter()
        self.running: dict[int, JobFacts] = {}
        self.failed: dict[int, JobFacts] = {}
        self._busy = 0.0

    @property
    def passed(self) -> float:
        """Seconds since the board was made."""
        return self.clock() - self.started

    def plan(self, jobs: dict[str, int]) -> None:
        """Take the number of jobs of each rule."""
        self.waiting = Counter(jobs)
        self.total = self.waiting.total()

    def start(self, job: int, rule: str, wildcards: Iterable[str] = (), logs: Iterable[str] = ()) -> None:
        """A job begins; one that failed before is tried again."""
        if self.failed.pop(job, None) is None:
            self.waiting[rule] = max(0, self.waiting[rule] - 1)
        self.running[job] = JobFacts(rule, " ".join([rule, *wildcards]), tuple(logs), self.clock())

    def finish(self, job: int) -> None:
        ended = self._end(job)
        if ended is not None:
            self.done += 1
            self.durations.learn(ended.rule, self.clock() - ended.since)

    def fail(self, job: int) -> None:
        ended = self._end(job)
        if ended is not None:
            self.failed[job] = ended

    def _end(self, job: int) -> JobFacts | None:
        ended = self.running.pop(job, None)
        if ended is not None:
            self._busy += self.clock() - ended.since
        return ended

    def remaining(self) -> float | None:
        """Seconds still to go: what is expected of waiting and running jobs, over the number that ran at a time so far.

        None while no duration is known. An estimate: the order of jobs, and rows that the store already has, are not seen.
        """
        work = 0.0
        for rule, count in self.waiting.items():
            expected = self.durations.expected(rule)
            if count and expected is None:
                return None
            work += count * (expected or 0.0)
        busy = self._busy
        for job in self.running.values():
            expected = self.durations.expected(job.rule)
            if expected is None:
                return None
            spent = self.clock() - job.since
            work += max(0.0, expected - spent)
            busy += spent
        at_a_time = max(1.0, busy / self.passed) if self.passed > 0 else 1.0
        return work / at_a_time

    def line(self) -> str:
        """``12 of 87 jobs, 1 failed; running: evaluate weak.s0 test 0 (2 min); 73 wait; 5.2 jobs/min; about 7 min left``."""
        parts = [f"{self.done} of {self.total} jobs" + (f", {len(self.failed)} failed" if self.failed else "")]
        if self.running:
            oldest = sorted(self.running.values(), key=lambda job: job.since)
            parts.append("running: " + ", ".join(f"{job.name} ({duration(self.clock() - job.since)})" for job in oldest))
        if waiting := self.waiting.total():
            parts.append(f"{waiting} wait")
        if self.done and self.passed > 0:
            parts.append(f"{self.done / self.passed * 60:.2g} jobs/min")
        left = self.remaining()
        if left is not None and (waiting or self.running):
            parts.append(f"about {duration(left)} left")
        return "; ".join(parts)
