"""Locks: one holder at a time.

``flock`` is given back by the kernel when its holder dies, however it dies, so no lock outlives a kill. A disk may lack it (NFS
without a lock daemon, Lustre mounted without ``flock``, some FUSE file systems). There ``ANATOMY_LOCKS`` names a folder on a
disk of this machine, and the locks lie in it. It keeps processes of one user on one machine apart and nothing more. A disk that
does have locks is asked all the same, so that a holder who knows nothing of the folder is seen.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO, overload

from anatomy.errors import LockError
from anatomy.store.digest import digest
from anatomy.store.files import ABSENT, UNWRITABLE, explained

FOLDER = "ANATOMY_LOCKS"
"""Environment variable: an absolute path to a folder on a disk of this machine."""
NO_LOCKS = {errno.ENOLCK, errno.EBADF, errno.EPERM, *ABSENT}
"""How a file system says that it has no locks."""


@dataclass
class Lock:
    """A lock that is held until it is closed, or its holder is gone."""

    files: list[TextIO] = field(default_factory=list)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it back."""
        for file in self.files:
            file.close()

    def sign(self) -> None:
        """Say in the file who holds it, for whoever waits; on a full disk the lock holds without."""
        note = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        with contextlib.suppress(OSError):
            os.ftruncate(self.files[0].fileno(), 0)
            os.write(self.files[0].fileno(), note)


@overload
def try_lock(path: Path, *, wait: Literal[True], moved: bool = True) -> Lock: ...


@overload
def try_lock(path: Path, *, wait: bool = False, moved: bool = True) -> Lock | None: ...


def try_lock(path: Path, *, wait: bool = False, moved: bool = True) -> Lock | None:
    """Lock a file, which is made if it is not there.

    Args:
        path: the file; what it holds stays as it is.
        wait: until it is free.
        moved: whether ``ANATOMY_LOCKS`` may say that the lock lies elsewhere.

    Returns:
        The lock, or None if another process holds it.

    Raises:
        LockError: the disk has no locks, or something else is wrong with it.
        StoreError: the file cannot be made.
    """
    lock = Lock()
    try:
        place = lock_file(path) if moved else path
        if not _add(lock, place, wait):
            lock.close()
            return None
        if place != path:
            with contextlib.suppress(LockError):
                if not _add(lock, path, wait):
                    lock.close()
                    return None
    except BaseException:
        lock.close()
        raise
    return lock


def signed_by(path: Path) -> str:
    """Who holds the lock on a file, as its holder wrote; empty where that cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return lock_file(path).read_text(encoding="utf-8").strip()
    return ""


def this_machine_only() -> bool:
    """Whether holders on other machines cannot be seen."""
    return bool(os.environ.get(FOLDER))


def lock_file(path: Path) -> Path:
    """The file that is locked for ``path``: itself, or one in the folder of ``ANATOMY_LOCKS``.

    Raises:
        LockError: that folder is not named by an absolute path, or belongs to someone else.
    """
    named = os.environ.get(FOLDER)
    if not named:
        return path
    if not os.path.isabs(named):
        raise LockError(
            found=f"{FOLDER}={named}",
            expected="an absolute path: jobs run in other folders",
            where="the environment",
            remedy=f"{FOLDER}={os.path.abspath(named)}",
        )
    folder = own_folder(Path(named) / f"alignment-anatomy-{os.getuid()}")
    return folder / f"{digest(os.path.realpath(path))}.{path.name}"


def own_folder(folder: Path, variable: str = FOLDER) -> Path:
    """A folder that is made for this user alone: a file that others can replace is no lock.

    Raises:
        LockError: someone else owns it, or may write in it.
        StoreError: it cannot be made.
    """
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & stat.S_IWOTH:
        raise LockError(
            found=f"{folder}, which someone else owns or can write",
            expected="a folder of your own for locks",
            where=str(folder),
            remedy=f"remove it, or name another in {variable}",
        )
    return folder


def _add(lock: Lock, place: Path, wait: bool) -> bool:
    try:
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            file = open(place, "a+")  # noqa: SIM115 - the lock closes it
            lock.files.append(file)
    except OSError as error:
        raise _refused(error, place) from error
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return True
        except InterruptedError:
            continue
        except BlockingIOError:
            return False
        except OSError as error:
            raise _refused(error, place) from error


def _refused(error: OSError, place: Path) -> LockError:
    said = f"{os.strerror(error.errno)} (errno {error.errno})" if error.errno else str(error)
    if error.errno == errno.EMFILE:
        return LockError(found=said, expected="more files open at once", where=str(place), remedy="ulimit -n 65536")
    lacking = error.errno in NO_LOCKS
    if error.errno == errno.EACCES:
        remedy = "some network shares say so while another process holds it: wait for that one; else mend the permissions"
    elif error.errno in UNWRITABLE and not lacking:
        remedy = "free space or mend the disk, then give the same command again: finished work is kept"
    elif this_machine_only() and Path(os.environ[FOLDER]) in place.parents:
        remedy = f"name another folder in {FOLDER}, on a disk of this machine"
    else:
        remedy = (
            f"name a folder on a disk of this machine, {FOLDER}=/tmp for example, and give the same command again. Locks "
            "there keep your own runs on this one machine apart: start runs on these results from no other machine"
        )
    return LockError(
        found=f"{said}: no file locks" if lacking else f"{said}, when a file was to be locked",
        expected="a disk with file locks (flock)",
        where=str(place),
        remedy=remedy,
    )
