"""A folder that appears whole or not at all, and never where there is no room for it."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.store.files import bring_to_disk, explained

MARKER = "export.json"
"""The record that every export holds; a folder without one is somebody else's and is not replaced."""

RESERVE = 2**20
"""Bytes left free beside what is written: directory blocks, and what the file system keeps for itself."""


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Fill the folder that is yielded; at the end it is brought to disk and becomes ``target``.

    After an error nothing is left. After a kill a hidden folder is, which nothing reads and the next call removes. An
    earlier export at ``target`` stays until the new one is complete.

    Raises:
        StoreError: ``target`` holds something that is no export, or the disk is full or unwritable.
    """
    target = Path(os.path.abspath(target))
    if target.exists() and not (target / MARKER).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(
            found="something there that is no export",
            expected="an empty place, or an earlier export to replace",
            where=str(target),
            remedy="move it away, or name another folder in export.to",
        )
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        aside = _beside(target, "partial")
        aside.mkdir()
        try:
            yield aside
            _bring_to_disk(aside)
            _take_place(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk under ``folder`` has no room for.

    Raises:
        StoreError: fewer bytes free than ``needed`` and a little more.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE:
        raise StoreError(
            found=f"{free} bytes free",
            expected=f"{needed + RESERVE} bytes for the edited checkpoint",
            where=str(folder),
            remedy=f"free {needed + RESERVE - free} bytes more, or name a folder on another disk in export.to",
        )


def _beside(target: Path, state: str) -> Path:
    return target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.{state}")


def _sweep(target: Path) -> None:
    """Remove what killed processes of this machine left; put back what one had moved away and not yet replaced."""
    for path in target.parent.glob(f".{target.name}.{socket.gethostname()}.*"):
        number, _, state = path.name.removeprefix(f".{target.name}.{socket.gethostname()}.").partition(".")
        if not number.isdigit() or Path(f"/proc/{number}").exists() or state not in ("partial", "replaced"):
            continue
        if state == "replaced" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _take_place(aside: Path, target: Path) -> None:
    replaced = _beside(target, "replaced")
    earlier = target.is_dir() and any(target.iterdir())
    if earlier:
        target.rename(replaced)
    try:
        aside.rename(target)
    except OSError:
        if earlier:
            replaced.rename(target)
        raise
    bring_to_disk(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _bring_to_disk(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        bring_to_disk(path)
