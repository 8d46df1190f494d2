"""Where progress is shown: one line that renews itself on a terminal, a line now and then in a log."""

from __future__ import annotations

import io
import shutil
import sys
import threading
import time

from anatomy.progress.board import Board
from anatomy.progress.live_line import CLEAR, fitted

REDRAW_SECONDS = 1.0
LOG_SECONDS = 30.0
SILENT_SECONDS = 600.0
"""Longest silence of a log in which nothing ends: a sign of life."""


class Screen:
    """Shows a board while a run goes on.

    On a terminal the last line renews itself every second; whoever else writes there clears it first (``CLEAR``). In a log a
    line with the time of day is written when something has changed, at most every ``LOG_SECONDS``, and at least every
    ``SILENT_SECONDS``.

    Args:
        board: what is shown.
        stream: where; standard error unless said otherwise.
    """

    def __init__(self, board: Board, stream: io.TextIOBase | None = None) -> None:
        self.board, self.stream = board, stream or sys.stderr
        self.live = self.stream.isatty()
        self._stop = threading.Event()
        self._shown: tuple[int, ...] = ()
        self._shown_at = board.clock()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.clear()

    def clear(self) -> None:
        """Take the live line away, before something else is written."""
        if self.live:
            self.stream.write(CLEAR)
            self.stream.flush()

    def show(self) -> None:
        """Show the board's line now."""
        if not self.board.running:
            return
        if self.live:
            self.stream.write(CLEAR + fitted(self.board.line(), shutil.get_terminal_size().columns))
        else:
            state = (self.board.done, len(self.board.failed), len(self.board.running))
            if state == self._shown and self.board.clock() - self._shown_at < SILENT_SECONDS:
                return
            self._shown, self._shown_at = state, self.board.clock()
            self.stream.write(f"{time.strftime('%H:%M:%S')} progress: {self.board.line()}\n")
        self.stream.flush()

    def _run(self) -> None:
        while not self._stop.wait(REDRAW_SECONDS if self.live else LOG_SECONDS):
            self.show()
