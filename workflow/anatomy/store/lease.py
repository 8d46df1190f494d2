"""Leases: one process at a time computes a cell."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from anatomy.store.locks import signed_by, try_lock

POLL_SECONDS = 0.5


@contextlib.contextmanager
def lease(folders: list[Path], say: Callable[[str], None] = print) -> Iterator[None]:
    """Hold the leases of several cells; taken in sorted order, so that two jobs never wait for each other.

    A lease is an open file: the soft limit on those is raised to the hard one.

    Raises:
        StoreError: the disk cannot be written, or has no locks.
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
    announced = False
    while (held := try_lock(path)) is None:
        if not announced:
            say(f"waiting for {folder.parent.name}/{folder.name}, held by {signed_by(path) or 'another job'}")
            announced = True
        time.sleep(POLL_SECONDS)
    with held:
        held.sign()
        yield
