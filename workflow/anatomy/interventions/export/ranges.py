"""Byte ranges between open files."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anatomy.store.files import ABSENT

BLOCK = 2**20
UNABLE = {errno.EXDEV, errno.EPERM, *ABSENT}
"""How a file system says that the kernel cannot copy between these two files by itself."""


def copy_range(source: int, target: int, start: int, to: int, size: int) -> None:
    """Copy ``size`` bytes from offset ``start`` of one file to offset ``to`` of another, in the kernel where it can."""
    while size:
        copied = _copy_some(source, target, start, to, size)
        start, to, size = start + copied, to + copied, size - copied


def read_into(source: int, buffer: memoryview, start: int) -> None:
    """Fill ``buffer`` from offset ``start``.

    Raises:
        EOFError: the file ends before the buffer is full.
    """
    filled = 0
    while filled < len(buffer):
        got = os.preadv(source, [buffer[filled:]], start + filled)
        if not got:
            raise EOFError(f"the file ends at byte {start + filled}; it was longer when its header was read")
        filled += got


def write_all(target: int, data: bytes | memoryview, to: int) -> None:
    """Write all of ``data`` at offset ``to``."""
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(target, view, to)
        view, to = view[written:], to + written


def _copy_some(source: int, target: int, start: int, to: int, size: int) -> int:
    try:
        copied = os.copy_file_range(source, target, size, start, to)
        if copied:
            return copied
    except OSError as error:
        if error.errno not in UNABLE:
            raise
    buffer = memoryview(bytearray(min(BLOCK, size)))
    read_into(source, buffer, start)
    write_all(target, buffer, to)
    return len(buffer)


@contextmanager
def opened_range(path: Path | str) -> Iterator[Callable[[memoryview, int], None]]:
    """A function that fills a buffer from an offset of the file, for the length of a ``with`` body (``read_into``)."""
    source = os.open(path, os.O_RDONLY)
    try:
        yield lambda buffer, start: read_into(source, buffer, start)
    finally:
        os.close(source)
