"""Writing for a person who may have gone: a terminal that was closed, a pipe without a reader, a full disk behind ``2>``.

What is said on a terminal is said for whoever looks; logs keep all of it. So a word that cannot be said is dropped, and no
computation ends for it.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import BinaryIO, TextIO

CLEAR = "\r\x1b[K"
"""Back to the beginning of the line, and empty it: what others write then starts on a clean line."""

PATIENCE = 0.5
"""Seconds that a word waits for a terminal that takes none: one stopped with Ctrl-S, a pager that nobody scrolls. Further words
do not wait until it takes some again."""

_stuck: set[int] = set()


def is_live(descriptor: int) -> bool:
    """Whether a line can be taken back there: a terminal that obeys ``CLEAR``."""
    return os.isatty(descriptor) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def columns_of(descriptor: int) -> int:
    """Width of a terminal, which ``COLUMNS`` overrides; 80 where it does not say."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    try:
        return os.get_terminal_size(descriptor).columns or 80
    except OSError:
        return 80


def fitted(line: str, columns: int) -> str:
    """A line cut so that it does not wrap: a wrapped line could not be taken back. Wide characters count as two columns."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(line) < columns:
        return line
    return f"{set_cell_size(line, columns - 2).rstrip()}…" if columns > 2 else ""


def write_text(descriptor: int, text: str, encoding: str | None = None) -> bool:
    """Write text, or drop it; returns whether all of it was taken.

    Args:
        encoding: of the terminal; characters that it lacks are replaced.
    """
    rest = memoryview(text.encode(encoding or terminal_encoding(), errors="replace"))
    try:
        while rest:
            if not _ready(descriptor):
                return False
            rest = rest[os.write(descriptor, rest[: select.PIPE_BUF]) :]
    except (OSError, ValueError):
        return False
    return True


def write_line(descriptor: int, text: str) -> bool:
    """Write a line, on a live terminal in the place of the controller's line of progress; or drop it."""
    return write_text(descriptor, f"{CLEAR if is_live(descriptor) else ''}{text}\n")


def terminal_encoding() -> str:
    """How this process's standard error is encoded."""
    return getattr(sys.__stderr__, "encoding", None) or "utf-8"


def _ready(descriptor: int) -> bool:
    """Whether a write would not block, waiting a little."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if poll.poll(0 if descriptor in _stuck else PATIENCE * 1000):
        _stuck.discard(descriptor)
        return True
    _stuck.add(descriptor)
    return False


class Unfailing(io.TextIOBase):
    """A text stream in place of standard output or error, for libraries that print: what cannot be written is dropped.

    Args:
        stream: the one it stands for; nothing is left in its buffer, so that nothing fails when the process ends.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self._descriptor = stream, stream.fileno()

    # Typeshed calls encoding and errors plain attributes; in Python itself they are properties that cannot be set.
    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "replace"

    @property
    def buffer(self) -> BinaryIO:
        return self._stream.buffer

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        write_text(self._descriptor, text, self.encoding)
        return len(text)


def open_standard_streams() -> None:
    """Give what is closed of standard input, output and error to the null device.

    Else the next file that is opened takes the number, and whatever is printed lands in it.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number, inheritable=True)
                os.close(opened)
            else:
                os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it is the process's own
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def let_output_go() -> None:
    """Print on through closed terminals and pipes from now on: standard output and error of this process drop what fails."""
    open_standard_streams()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, Unfailing):
            try:
                stream.flush()
                setattr(sys, name, Unfailing(stream))
            except (OSError, ValueError, AttributeError):  # of a test or a notebook, without a descriptor
                continue
