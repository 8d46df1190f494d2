"""What a running job says of itself: one small file a job, which the run's controller reads.

    <results>/controller/progress/<rule>-<digest of its wildcards>.json

A job on a cluster's node writes to the disk that all nodes share, as it does its results. Nothing rests on these files: one that
cannot be written is left out, one that cannot be read says nothing, and all go when a run begins.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from anatomy.progress.counting import WINDOW_SECONDS, Progress, moving

FILE_SECONDS = 2.0
"""Between two versions of a job's file, unless it begins something else."""

TELLING = 0.01
"""Share of a job from which its rate says how long the rest takes: of requests that run beside one another the first to end says
nothing (one of 288 after 45 s made five hours of two minutes)."""

MOST = 1e15
"""Rates and seconds beyond it are no job's."""

LOG_SECONDS = 30.0
"""Between two lines of progress in a job's own log."""


@dataclass(frozen=True)
class Report:
    """What a job does at the moment.

    Attributes:
        doing: in words, such as ``steps trained: 40/200``.
        rate: units of it a second; None where nothing is counted, or before one is known.
        fraction: share of what it counts that is done; None where nothing is counted.
        left: seconds that the rest of it takes at the present rate; None before a rate is known.
        whole: whether that is all of the job, rather than a part of unknown size.
    """

    doing: str
    rate: float | None = None
    fraction: float | None = None
    left: float | None = None
    whole: bool = False


def folder_of(results: Path) -> Path:
    """Where the reports of a run's jobs lie."""
    return results / "controller" / "progress"


def report_path(results: Path, rule: str, wildcards: Iterable[str]) -> Path:
    """The file of one job."""
    name = " ".join([rule, *wildcards])
    return folder_of(results) / f"{rule}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.json"


def read_report(path: Path) -> Report | None:
    """A job's report; None where there is none, or nothing that can be read."""
    try:
        found = Report(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    told = [value for value in (found.rate, found.fraction, found.left) if value is not None]
    numbers = all(type(value) in (int, float) and 0 <= value < MOST for value in told)
    share = found.fraction is None or (numbers and found.fraction <= 1)
    return found if numbers and share and isinstance(found.doing, str) else None


def remove_reports(results: Path) -> None:
    """Remove what jobs of an earlier run left, half-written files too; only for whoever holds the results."""
    with contextlib.suppress(OSError):
        for path in folder_of(results).iterdir():
            with contextlib.suppress(OSError):
                path.unlink()


class JobReporter:
    """Tells a job's counts to its file, and now and then to its log.

    Args:
        path: the file; None keeps to the log.
        log: receives lines of progress.
        clock: seconds, monotonic.
    """

    def __init__(self, path: Path | None, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self._log, self._clock = path, log, clock
        self._doing, self._rate = "starting", 0.0
        self._root: Progress | None = None
        self._before = 0.0
        self._marks: deque[tuple[float, float]] = deque()
        self._logged = clock()
        self._written = float("-inf")
        self._write(Report(self._doing))

    def told(self, text: str) -> None:
        """The job says something: what it does until it counts again."""
        self._doing = text.partition("\n")[0]
        self._write(self._report())

    def changed(self, open_counts: list[Progress], boundary: bool) -> None:
        """A count went on (see ``Reporter``)."""
        now = self._clock()
        root = open_counts[0] if open_counts else None
        if root is None and self._root is not None:
            self._doing = f"{self._root.what}: done"
        if root is not self._root or (root is not None and root.before != self._before):
            self._root, self._before = root, 0.0 if root is None else root.before
            self._marks.clear()
        if root is not None:
            self._marks.append((now, root.fraction))
            while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW_SECONDS:
                self._marks.popleft()
            self._doing, self._rate = open_counts[-1].count(), open_counts[-1].rates()[0]
        if boundary or now - self._written >= FILE_SECONDS:
            self._write(self._report())
        if root is not None and now - self._logged >= LOG_SECONDS:
            self._logged = now
            with contextlib.suppress(OSError, ValueError):
                self._log(f"{time.strftime('%H:%M:%S')} progress: {told(self._report())}")

    def close(self) -> None:
        """The job is over."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _report(self) -> Report:
        if self._root is None:
            return Report(self._doing)
        (then, before), (now, fraction) = self._marks[0], self._marks[-1]
        rate = (fraction - before) / (now - then) if now > then else 0.0
        left = (1 - fraction) / rate if rate > 0 and fraction >= TELLING else None
        return Report(self._doing, self._rate or None, fraction, left, self._root.whole)

    def _write(self, report: Report) -> None:
        """Aside, then in one step into place; without waiting for the disk, since nothing rests on it."""
        if self.path is None:
            return
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._written = self._clock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(asdict(report)), encoding="utf-8")
            os.replace(aside, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                aside.unlink()


def told(report: Report, since: float = 0.0) -> str:
    """A report in words: ``34 %, 76 s left, 2.1/s, steps trained: 40/200``.

    Args:
        since: seconds that have passed since it was written.
    """
    parts = [f"{100 * report.fraction:.0f} %"] if report.fraction is not None else []
    if report.left is not None:
        parts.append(f"{moving(remaining(report.left, since))} left{'' if report.whole else ' of this'}")
    parts += [f"{report.rate:.3g}/s"] if report.rate else []
    return ", ".join([*parts, report.doing])


def remaining(left: float, since: float) -> float:
    """Seconds left of what was to take ``left`` from ``since`` seconds ago; what is overdue is about to take a tenth more."""
    return left - since if left > since else (since - left) / 10
