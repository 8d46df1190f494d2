"""Where progress is shown: one line that renews itself on a terminal, a line now and then in a log."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable

from anatomy.progress.terminal import CLEAR, columns_of, fitted, is_live, write_text
from anatomy.runs.screen.board import Board

REDRAW_SECONDS = 1.0
TURN_SECONDS = 25.0
"""Within this time every running job has stood on a terminal, where one line is too short for all of them."""

LONGEST_TURN = 3.0
DULL_SECONDS = 25.0
"""Between two lines on a terminal that cannot renew one (``TERM=dumb``)."""

LOG_SECONDS = 50.0
"""Between two lines in a log."""


class Screen:
    """Shows a board while a run goes on.

    On a terminal the last line renews itself every second; whoever else writes there clears it first (``CLEAR``). Where it is
    too short for the run and every running job, these take turns. Elsewhere a line with the time of day is
    written now and then. Where nothing can be written any more, that is dropped (``anatomy.progress.terminal``).

    Args:
        board: what is shown.
        stream: where; standard error unless said otherwise.
        log: also receives the lines of a log; None for nobody.
    """

    def __init__(self, board: Board, stream: io.TextIOBase | None = None, log: Callable[[str], None] | None = None) -> None:
        self.board, self.stream = board, stream or sys.stderr
        self.descriptor, self._log = self.stream.fileno(), log
        self.live = is_live(self.descriptor)
        self.period = DULL_SECONDS if self.stream.isatty() and not self.live else LOG_SECONDS
        self._logged = float("-inf")
        self._stop = threading.Event()
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
            self._write(CLEAR)

    def show(self) -> None:
        """Show the board now, wherever it is time for it."""
        self.board.look()
        if not self.board.running:
            return
        if self.live:
            self._write(CLEAR + self.line())
        now = self.board.clock()
        if now - self._logged >= self.period:
            self._logged = now
            line = f"{time.strftime('%H:%M:%S')} progress: {self.board.line()}"
            if not self.live:
                self._write(f"{line}\n")
            if self._log is not None:
                self._log(line)

    def line(self) -> str:
        """The live line: the run and its jobs; where it is too short for them, in turn the run and each job."""
        board, columns = self.board, columns_of(self.descriptor)
        jobs = board.jobs()
        turns = ["; ".join([board.head(), *jobs]), *(f"{board.done}/{board.total}: {job}" for job in jobs)]
        if fitted(turns[0], columns) == turns[0]:
            return turns[0]
        return fitted(turns[int(board.passed / min(LONGEST_TURN, TURN_SECONDS / len(turns))) % len(turns)], columns)

    def _write(self, text: str) -> None:
        write_text(self.descriptor, text, getattr(self.stream, "encoding", None))

    def _run(self) -> None:
        while not self._stop.wait(REDRAW_SECONDS):
            try:
                self.show()
            except RuntimeError:  # the board changed while it was read
                continue
