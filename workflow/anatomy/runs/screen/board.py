"""Which jobs run, wait, are done or have failed, and how far each is: from its controller's events and its jobs' reports."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anatomy.progress.counting import moving
from anatomy.runs.screen.estimate import Estimate
from anatomy.runs.screen.reports import Report, read_report, remaining, report_path, told


@dataclass
class RunningJob:
    """One job that has been started.

    Args:
        rule: its rule.
        name: the rule and its wildcards' values, as a person reads it.
        logs: its log files.
        since: seconds on the board's clock.
        path: the file of its reports; None where it writes none.
        report: the last one.
        heard: when it was first seen, on the board's clock: those of other machines may differ.
        mem_mb: memory it asked for, where known.
        status: exit status as Python gives it (negative for a signal), where it failed and that is known.
        killed: why the system ended it, in words; None where it ended by itself.
    """

    rule: str
    name: str
    logs: tuple[str, ...]
    since: float
    path: Path | None = None
    report: Report | None = field(default=None)
    heard: float = 0.0
    mem_mb: int | None = None
    status: int | None = None
    killed: str | None = None


class Board:
    """The state of a run.

    Args:
        results: where jobs leave their reports; None for none.
        clock: seconds, monotonic.
    """

    def __init__(self, results: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.results, self.clock = results, clock
        self.estimate = Estimate()
        self.started = clock()
        self.total = self.done = 0
        self.waiting: Counter[str] = Counter()
        self.running: dict[int, RunningJob] = {}
        self.failed: dict[int, RunningJob] = {}
        self._planned: dict[str, str] = {}
        self._busy = 0.0
        self._first: float | None = None

    @property
    def passed(self) -> float:
        """Seconds since the board was made."""
        return self.clock() - self.started

    def plan(self, jobs: dict[str, int]) -> None:
        """Take the number of jobs of each rule."""
        self.waiting = Counter(jobs)
        self.total = self.waiting.total()

    def forecast(self, jobs: Mapping[str, tuple[str, float]]) -> None:
        """Take what jobs are planned to take: name to rule and seconds. Some may run or be over by now."""
        self.estimate.planned = {name: seconds for name, (_, seconds) in jobs.items()}
        begun = {job.name for job in [*self.running.values(), *self.failed.values()]} | self.estimate.over
        self._planned = {name: rule for name, (rule, _) in jobs.items() if name not in begun}

    def start(
        self, job: int, rule: str, wildcards: Iterable[str] = (), logs: Iterable[str] = (), mem_mb: int | None = None
    ) -> None:
        """A job begins; one that failed before is tried again."""
        values = list(wildcards)
        name = " ".join([rule, *values])
        if self.failed.pop(job, None) is None:
            self.waiting[rule] = max(0, self.waiting[rule] - 1)
        self._planned.pop(name, None)
        path = None if self.results is None else report_path(self.results, rule, values)
        if path is not None:
            with contextlib.suppress(OSError):  # of an attempt that was killed
                path.unlink()
        now = self.clock()
        self._first = now if self._first is None else self._first
        self.running[job] = RunningJob(rule, name, tuple(logs), now, path, heard=now, mem_mb=mem_mb)

    def finish(self, job: int) -> None:
        ended = self._end(job)
        if ended is not None:
            self.done += 1
            self.estimate.ended(ended.name, ended.rule, self.clock() - ended.since)

    def fail(self, job: int, status: int | None = None) -> RunningJob | None:
        """A job failed; returns it, with its exit status where that is known."""
        ended = self._end(job)
        if ended is not None:
            ended.status = status
            self.estimate.going(ended.name, ended.rule, 0.0, None)
            self.failed[job] = ended
        return ended

    def _end(self, job: int) -> RunningJob | None:
        ended = self.running.pop(job, None)
        if ended is not None:
            self._busy += self.clock() - ended.since
            if ended.path is not None:
                with contextlib.suppress(OSError):
                    ended.path.unlink()
        return ended

    def look(self) -> None:
        """Read what running jobs say of themselves."""
        for job in list(self.running.values()):
            found = None if job.path is None else read_report(job.path)
            if found is None and job.report is not None:  # a job takes its file away when it is over
                found = Report("ending")
            if found is not None and found != job.report:
                job.report, job.heard = found, self.clock()
                self.estimate.going(job.name, job.rule, self.clock() - job.since, found.fraction if found.whole else None)

    def left(self, job: RunningJob) -> float | None:
        """Seconds that a running job still takes; None where nothing is known.

        By its own rate where it counts all of its work, else what was expected of it, and the part that it counts at least. A job
        that takes longer than expected is expected to take a tenth more than it has taken.
        """
        spent, expected, report = self.clock() - job.since, self.estimate.expected(job.name, job.rule), job.report
        counted = None if report is None or report.left is None else remaining(report.left, self.clock() - job.heard)
        if counted is not None and (expected is None or (report is not None and report.whole)):
            return counted
        if expected is None:
            return None
        return max(expected - spent if expected > spent else spent / 10, counted or 0.0)

    def remaining(self) -> float | None:
        """Seconds still to go: what is expected of waiting and running jobs, over the number that ran at a time so far.

        None while nothing is known. An estimate: the order of jobs, and rows that the store already has, are not seen.
        """
        planned = Counter(self._planned.values())
        work, longest = 0.0, 0.0
        for name, rule in list(self._planned.items()):
            work += self.estimate.expected(name, rule) or 0.0
        for rule, count in list(self.waiting.items()):
            unplanned = max(0, count - planned[rule])
            expected = self.estimate.expected("", rule) if unplanned else 0.0
            if expected is None:
                return None
            work += unplanned * expected
        busy = self._busy
        for job in list(self.running.values()):
            left = self.left(job)
            if left is None:
                return None
            work, longest = work + left, max(longest, left)
            busy += self.clock() - job.since
        passed = self.clock() - (self.clock() if self._first is None else self._first)
        at_a_time = max(1.0, busy / passed) if passed > 0 else max(1, len(self.running))
        return max(work / at_a_time, longest)

    def head(self) -> str:
        """``12 of 87 jobs, about 7 min 20 s left, 1 failed``."""
        left = self.remaining()
        parts = [f"{self.done} of {self.total} jobs"]
        parts += [f"about {moving(left)} left"] if left is not None and (self.waiting.total() or self.running) else []
        return ", ".join([*parts, *[f"{len(self.failed)} failed"] * bool(self.failed)])

    def jobs(self) -> list[str]:
        """Each running job in words, the oldest first: ``grow base 0 (2 min 03 s): 34 %, 76 s left, 2.1/s, steps: 40/200``."""
        now, found = self.clock(), []
        for job in sorted(list(self.running.values()), key=lambda job: job.since):
            words = f"{job.name} ({moving(now - job.since, seconds_too=True)})"
            if job.report is None:
                left = self.left(job)
                found.append(words + (f": about {moving(left)} left" if left is not None else ""))
                continue
            silent = now - job.heard
            since = f", for {moving(silent, seconds_too=True)}" if job.report.left is None and silent >= 1 else ""
            found.append(f"{words}: {told(job.report, silent)}{since}")
        return found

    def line(self) -> str:
        """All of it in one line."""
        return "; ".join([self.head(), *self.jobs()])
