"""Processes that a killed run left running on this machine, found by the run's id in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from anatomy.errors import StoreError

VARIABLE = "ANATOMY_RUN"
GRACE_SECONDS = 10.0
"""From the request to end until the kill: a job loses its shard in hand at most, so there is nothing to wait long for."""


def find_processes(run: str, proc: Path = Path("/proc")) -> list[int]:
    """Live processes of this user that were started by a run, this process and its ancestors excepted.

    The environment is the one a process was started with, so a controller that set the variable for its children is not
    among them. Processes of others cannot be read, or do not carry the id.
    """
    mark = f"{VARIABLE}={run}".encode()
    own = _ancestors(proc)
    found = []
    for folder in proc.glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if (
                folder.stat().st_uid == os.getuid()
                and pid not in own
                and not _is_zombie(folder)
                and mark in (folder / "environ").read_bytes().split(b"\0")
            ):
                found.append(pid)
    return sorted(found)


def end_processes(run: str, grace: float = GRACE_SECONDS) -> int:
    """End every process of a run: asked first, then killed; returns how many there were.

    Raises:
        StoreError: a process survives even a kill (it hangs in the kernel).
    """
    seen: set[int] = set()
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, grace)):
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while alive := find_processes(run):
            seen.update(alive)
            for pid in set(alive) - asked:  # also what was started meanwhile
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                asked.add(pid)
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return len(seen)
    raise StoreError(
        found=f"processes {find_processes(run)} of a killed run that do not end",
        expected="none",
        where="this machine",
        remedy="wait until their disk or device answers, then give the same command again",
    )


def _is_zombie(folder: Path) -> bool:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _ancestors(proc: Path) -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        try:
            pid = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return pids
