"""Files dated ahead of the clock: brought back before a run, so that none of its work is lost to a date.

Snakemake compares times. After a job whose input is dated later than its output it reports a skewed clock, and the output is
deleted; every time, until the date has passed. A colleague's machine that is ahead, an archive, a clock that was set back or a
server's clock bring such files. Ahead of which clock? Of the one that dates the results: on a network disk that is the server's.

Sources are dated back to when they came here. Results that were made of sources are dated before them, so that a source
that was edited after the clock was set right is not missed: Snakemake then compares contents (weights: the card is made again).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from anatomy.errors import StoreError

SECOND = 10**9
TOLD = 10 * SECOND
"""Dates less far ahead are how far servers' clocks are apart, or how coarse a disk's dates are: not worth a word."""


@runtime_checkable
class DatedJob(Protocol):
    """What is asked of a job of Snakemake's plan."""

    input: Iterable[str]
    output: Iterable[str]
    benchmark: str | None


def disk_time(file: Path) -> int:
    """When the disk of a file says it is now, in nanoseconds since 1970; the file is dated so, as Snakemake dates outputs.

    Raises:
        StoreError: the disk cannot be written.
    """
    from anatomy.store.files import explained  # imports pandas, which a dry run can do without

    with explained(file):
        file.touch()
        return file.stat().st_mtime_ns


def bring_back(jobs: Iterable[DatedJob], now: int, say: Callable[[str], None]) -> None:
    """Date back what is dated ahead among the files of some jobs.

    Args:
        jobs: all jobs of a plan, those with nothing to do among them.
        now: nanoseconds since 1970, by the clock that dates the results.
        say: receives a line for sources, and one for results.

    Raises:
        StoreError: a file is dated well ahead, and its date may not be changed.
    """
    jobs = list(jobs)
    made = {file for job in jobs for file in _products(job)}
    sources = sorted({str(file) for job in jobs for file in job.input if os.path.exists(file)} - made)
    ahead = {file: _latest(file) - now for file in sources if _latest(file) > now}
    for file in ahead:
        with contextlib.suppress(*([StoreError] if ahead[file] < TOLD else [])):
            _date_source(file, now)
    if max(ahead.values(), default=0) >= TOLD:
        first = max(ahead, key=ahead.__getitem__)
        say(
            f"from the future, as its date says ({_long(ahead[first])} ahead): {first}{_others(ahead)}. Dated back to the "
            "arrival here, so that changes can be told"
        )
    results = {file for file in made if os.path.exists(file) and _latest(file) > now}
    for job in jobs:
        of_sources = [os.stat(file).st_mtime_ns for file in job.input if str(file) in sources]
        for file in results.intersection(_products(job)):
            _date(file, max(SECOND, min(of_sources) - SECOND) if of_sources else now)
    if results:
        say(f"made under a clock that was ahead: {min(results)}{_others(results)}. Dated back")


def agree(inputs: Iterable[str], outputs: Iterable[str]) -> bool:
    """Let no input of a job that just ended be dated later than its outputs; where one must stay, outputs are dated as it is.

    Returns:
        Whether one was.
    """
    inputs, outputs = ([str(file) for file in files if os.path.exists(file)] for files in (inputs, outputs))
    made = min((os.lstat(file).st_mtime_ns for file in outputs), default=None)
    if made is None or all(_latest(file) <= made for file in inputs):
        return False
    for file in inputs:
        if _latest(file) > made:
            with contextlib.suppress(StoreError):
                _date(file, made)
    newest = max(map(_latest, inputs))
    for file in outputs:
        if os.lstat(file).st_mtime_ns < newest:
            with contextlib.suppress(StoreError):
                _date(file, newest)
    return True


@contextlib.contextmanager
def times_brought_back(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Within, Snakemake's plans are made of files that have been dated back.

    Args:
        file: one in the results; it is dated to learn the time of their disk.
        say: receives a line where something was dated back.

    Raises:
        StoreError: as ``bring_back``.
    """
    from snakemake.dag import DAG

    compare = DAG.update_needrun

    async def brought_back(dag: Any, *arguments: Any, **options: Any) -> Any:
        bring_back(dag.jobs, disk_time(file), say)
        return await compare(dag, *arguments, **options)

    DAG.update_needrun = brought_back
    try:
        yield
    finally:
        DAG.update_needrun = compare


def keep_finished_work() -> None:
    """From now on a job of this process that ended well keeps its outputs, whatever the clock did meanwhile."""
    from snakemake.dag import DAG
    from snakemake.exceptions import WorkflowError
    from snakemake.logging import logger

    check = DAG.check_output_mtime
    if check.__name__ == "agreed":
        return

    async def agreed(dag: Any, job: Any, outputs: Any) -> None:
        try:
            await check(dag, job, outputs)
        except (WorkflowError, ValueError, OverflowError):  # its message has no words for the years from 10000 on
            if not agree(job.input, outputs):
                raise
            logger.info(f"{job.rule.name}: a clock moved or a file came meanwhile; dates of inputs and outputs made to agree")

    DAG.check_output_mtime = agreed


def _products(job: DatedJob) -> list[str]:
    return [str(file) for file in (*job.output, *filter(None, [job.benchmark]))]


def _latest(file: str) -> int:
    """A link is as young as the younger of itself and what it points to."""
    return max(os.lstat(file).st_mtime_ns, os.stat(file).st_mtime_ns)


def _date_source(file: str, now: int) -> None:
    """The date of a file's last change in its folder (its ``ctime``) no copy brings along: that is when it came here."""
    for follow in (False, True):
        found = os.stat(file, follow_symlinks=follow)
        if found.st_mtime_ns > now:
            _date(file, min(now, found.st_ctime_ns), follow)


def _date(file: str, to: int, *follow: bool) -> None:
    for one in follow or (False, True):
        if os.stat(file, follow_symlinks=one).st_mtime_ns == to:
            continue
        try:
            try:
                os.utime(file, ns=(to, to), follow_symlinks=one)
            except PermissionError:  # another user's file, which this user may write: it can be dated now, and no other way
                os.utime(file, follow_symlinks=one)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP and not one:  # links that have no date of their own
                continue
            raise _refused(file, error) from error


def _refused(file: str, error: OSError) -> StoreError:
    return StoreError(
        found=f"a file dated {_long(_latest(file) - time.time_ns())} ahead, whose date you may not change ({error.strerror})",
        expected="a file from the past: no change of this one could be told by its date",
        where=file,
        remedy=f"set this machine's clock if it is wrong; else ask its owner for touch {file}, or use a copy of your own (cp -r)",
    )


def _others(files: Iterable[str]) -> str:
    more = len(list(files)) - 1
    return f" and {more} more" if more else ""


def _long(nanoseconds: int) -> str:
    seconds = nanoseconds / SECOND
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
