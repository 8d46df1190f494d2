"""The hold on a folder of results: one controller at a time.

Beside it lies a record of the run: what a successor needs to find the processes and cluster jobs of a killed one.

    <results>/controller/hold        locked while a controller lives, never replaced
    <results>/controller/run.json    the run that holds it, or the last one that did
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from anatomy.errors import LockError, StoreError
from anatomy.store.files import read_json, write_json
from anatomy.store.locks import FOLDER as LOCKS
from anatomy.store.locks import this_machine_only, try_lock

FOLDER = "controller"
FAR = 1e11
"""Seconds since 1970 that no clock shows: times beyond cannot be told as dates."""


@dataclass(frozen=True)
class RunRecord:
    """One call of the workflow.

    Args:
        id: in the environment of every process of the run and in the names of its cluster jobs.
        command: what a person typed.
        executor: how jobs are started; anything but ``local`` may leave cluster jobs behind.
        workdir: the folder that Snakemake runs in.
        results: the folder of results, absolute. In a copy of them the record speaks of the original's run, which may be live.
        ended: whether the run came to an end of its own, good or bad.
    """

    id: str
    command: str
    executor: str
    workdir: str
    results: str
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    started: float = field(default_factory=time.time)
    ended: bool = False

    def describe(self) -> str:
        """``pid 12 on box, since 02:10:33 (python3 ... snakemake)``."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started))
        return f"pid {self.pid} on {self.host}, since {since} ({self.command})"


def record_path(results: Path) -> Path:
    return results / FOLDER / "run.json"


def read_record(results: Path) -> RunRecord | None:
    """The last run of these results; None before the first, and where its record cannot be read."""
    try:
        found = RunRecord(**read_json(record_path(results)))
    except (StoreError, TypeError):
        return None
    words = (found.id, found.command, found.executor, found.workdir, found.results, found.host)
    numbers = type(found.pid) is int and found.pid > 0 and type(found.started) in (int, float) and 0 <= found.started < FAR
    return found if numbers and type(found.ended) is bool and all(isinstance(word, str) for word in words) else None


def write_record(results: Path, run: RunRecord) -> None:
    """Keep a run's record.

    Raises:
        StoreError: the results cannot be written.
    """
    write_json(record_path(results), asdict(run))


@contextlib.contextmanager
def hold(results: Path) -> Iterator[None]:
    """Be the only controller of these results.

    Raises:
        StoreError: another controller holds them (it is named), or may do so from another machine; the results cannot be
            written; their disk has no locks.
    """
    held = try_lock(results / FOLDER / "hold")
    if held is None:
        other = read_record(results)
        raise StoreError(
            found=f"a run that is still going: {other.describe() if other else 'its record is not written yet'}",
            expected="one run at a time",
            where=str(results),
            remedy="wait until it ends, or end it (kill -TERM lets running jobs finish) and give the same command again",
        )
    with held:
        if this_machine_only():
            _refuse_another_machine(results)
        yield


def _refuse_another_machine(results: Path) -> None:
    """A run on another machine cannot be seen through locks of this one; its record, not ended, speaks for it."""
    last = read_record(results)
    if last is None or last.ended or last.host == socket.gethostname() or Path(last.results) != results.resolve():
        return
    raise LockError(
        found=f"a run on another machine that did not end well or is still going: {last.describe()}",
        expected=f"runs from one machine: locks in {LOCKS} are not seen from others",
        where=str(results),
        remedy=f"give the same command on {last.host}. If nothing of that run is left there or in a queue, remove "
        f"{record_path(results)} and give it here",
    )
