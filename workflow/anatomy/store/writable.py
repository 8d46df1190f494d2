"""Whether a place that somebody names can be written, asked before there is anything to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anatomy.errors import ConfigError


def require_file(path: Path, where: str) -> None:
    """Refuse (``ConfigError``) a file that cannot be written; its folder is made.

    Args:
        where: what named it, such as an option.
    """
    with _refusing(path, "a file", where):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()


def require_folder(path: Path, where: str) -> None:
    """Refuse (``ConfigError``) a folder that cannot be made or written; none is left that was not there.

    Args:
        where: what named it, such as an option.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    with _refusing(path, "a folder", where):
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
        for one in missing:
            one.rmdir()


@contextmanager
def _refusing(path: Path, kind: str, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            found=f"{path}, which cannot be written: {error.strerror}",
            expected=f"{kind}, or the name of one that can be made",
            where=where,
        ) from None
