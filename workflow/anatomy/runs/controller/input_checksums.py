"""Checksums of a job's inputs, read once for each file and not once for each output.

When a job has ended, Snakemake records for every output the checksum of every input, and reads each input anew for it. A paper's
figures are 450 outputs of 135 inputs: 60 thousand files read, for minutes on end while no other job is started.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

SETTLED = 2 * 10**9
"""Nanoseconds after which a file's date tells whether it was written since: disks date in steps, the coarsest of two seconds."""


@contextlib.contextmanager
def checksums_read_once() -> Iterator[None]:
    """Within, Snakemake reads a file for its checksum again only if its date, size or place on the disk has changed."""
    from snakemake.io import _IOFile

    read = _IOFile.checksum
    known: dict[tuple[object, ...], str | None] = {}

    async def once(file: Any, threshold: int | None = None, force: bool = False, algorithm: Any = None) -> str | None:
        state = None if file.is_storage else _state(str(file.file))
        if state is None:
            return await read(file, threshold, force=force, algorithm=algorithm)
        key = (str(file.file), state, threshold, force, algorithm)
        if key not in known:
            known[key] = await read(file, threshold, force=force, algorithm=algorithm)
        return known[key]

    _IOFile.checksum = once
    try:
        yield
    finally:
        _IOFile.checksum = read


def _state(file: str) -> tuple[int, ...] | None:
    """What changes when a file is written; None where there is no file, or one so new that its date may stay when it is."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    if abs(time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)) < SETTLED:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
