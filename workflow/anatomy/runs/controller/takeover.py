"""The beginning and the end of a run: take the hold, clear what a killed run left, keep the record."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from anatomy.runs.controller.cluster_jobs import cancel_jobs
from anatomy.runs.controller.hold import RunRecord, hold, read_record, write_record
from anatomy.runs.controller.orphans import VARIABLE, end_processes
from anatomy.runs.controller.stale_locks import remove_stale_locks


@contextlib.contextmanager
def controlled(results: str, workdir: Path, command: str, executor: str, say: Callable[[str], None]) -> Iterator[RunRecord]:
    """Be the controller of a run; inside, nothing of an earlier run is left that could write.

    The new record is written only after the old run has been cleared, so a kill in between loses nothing.

    Args:
        results: the folder of results, as the configuration writes it.
        workdir: the folder that Snakemake runs in.
        executor: ``local``, or the name of a cluster's.
        say: receives a line where an earlier run was cleared.

    Raises:
        StoreError: another controller holds the results, something of a killed run cannot be ended, or they are unwritable.
    """
    folder = workdir / results
    with hold(folder):
        clear(read_record(folder), results, workdir, say)
        run = RunRecord(
            id=secrets.token_hex(6), command=command, executor=executor, workdir=str(workdir), results=str(folder.resolve())
        )
        write_record(folder, run)
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = run.id
        try:
            yield run
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
        # Reached after a good end; a failure keeps the record open, and the next run looks for leftovers.
        write_record(folder, replace(run, ended=True))


def clear(last: RunRecord | None, results: str, workdir: Path, say: Callable[[str], None]) -> None:
    """End what the last run of these results left running, and remove its locks; only for whoever holds them."""
    done = []
    mine = last if last is not None and Path(last.results) == (workdir / results).resolve() else None
    if mine is not None and not mine.ended:
        submitted = mine.executor != "local"
        # First the queue: a job may run on this very machine, and killed there it would count as failed instead of cancelled.
        try:
            jobs = cancel_jobs(mine.id, mine.workdir, submitted=submitted)
        finally:
            processes = end_processes(mine.id)
        jobs += cancel_jobs(mine.id, mine.workdir, submitted=submitted)  # what a process was just about to submit
        done += [f"{jobs} of its cluster jobs cancelled"] * bool(jobs) + [f"{processes} of its processes ended"] * bool(processes)
        if mine.host != socket.gethostname():
            done.append(f"processes it may have left on {mine.host} cannot be seen from here (leases guard the rows)")
    if remove_stale_locks(workdir / ".snakemake" / "locks", results):
        done.append("its lock removed")
    if done:
        whose = mine.describe() if mine is not None else "unknown"
        say(f"going on after a run that was killed: {whose}; {', '.join(done)}; finished work is kept")
