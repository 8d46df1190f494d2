"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import StoreError, parsing

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ESTALE}
ABSENT = {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, 524}
"""How a file system says that it has no such call; 524 is what the kernel calls ENOTSUPP and no header of C does."""
IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY, errno.EXDEV}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk, or a path that cannot be, into an error that says what to do; finished files stay.

    Raises:
        StoreError: the operating system refused to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in IN_THE_WAY:
            raise StoreError(
                found=f"{error.strerror}: {error.filename}",
                expected="a path whose folders are folders, and free for a file",
                where=str(path),
                remedy="move away what is there, then run the same command again: finished work is kept",
            ) from error
        if error.errno not in UNWRITABLE:
            raise
        raise StoreError(
            found=f"{error.strerror} while writing",
            expected="a writable disk with room left",
            where=str(path),
            remedy="free space or mend the permissions, then run the same command again: finished work is kept",
        ) from error


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, bring it to disk, then rename it into place.

    The aside file carries the process id, so two writers never share one; a killed writer leaves a ``.partial`` file that
    nothing reads.

    Raises:
        StoreError: the disk is full or unwritable.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(aside)
            bring_to_disk(aside)
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        bring_to_disk(path.parent)


def bring_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk; a file system that knows no waiting is not waited for.

    Raises:
        OSError: what was written did not reach the disk.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """``fsync``, where the file system has it. For a folder or a file opened to be read, some have none (FUSE, SMB, AFS)."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (*ABSENT, errno.EBADF):
            raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON whole; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: the file is missing or no JSON.
    """
    with parsing(
        StoreError, str(path), "a JSON file written by the workflow", remedy="delete the file and run again; it will be rebuilt"
    ):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet table whole, without the index."""
    write_aside(path, lambda aside: table.to_parquet(aside, index=False))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        StoreError: the file is missing or damaged.
    """
    with parsing(
        StoreError,
        str(path),
        "a Parquet table written by the workflow",
        remedy="delete the file and run again; it will be rebuilt",
    ):
        return pd.read_parquet(path, columns=columns)
