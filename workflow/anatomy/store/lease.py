"""Leases: one process at a time computes a cell.

``flock`` is given back by the kernel when its holder dies, however it dies, so no lease outlives a kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from anatomy.store.files import explained

POLL_SECONDS = 0.5


@contextlib.contextmanager
def lease(folders: list[Path], say: Callable[[str], None] = print) -> Iterator[None]:
    """Hold the leases of several cells; taken in sorted order, so that two jobs never wait for each other.

    A lease is an open file: the soft limit on those is raised to the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        for folder in sorted(set(folders)):
            stack.enter_context(_hold(folder, say))
        yield


@contextlib.contextmanager
def _hold(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    path = folder / "lease"
    with explained(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115 - closed in the finally below
    try:
        announced = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not announced:
                    file.seek(0)
                    say(f"waiting for {folder.parent.name}/{folder.name}, held by {file.read().strip() or 'another job'}")
                    announced = True
                time.sleep(POLL_SECONDS)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        yield
    finally:
        file.close()
