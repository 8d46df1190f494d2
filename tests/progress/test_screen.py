"""One live line on a terminal, few lines in a log."""

import io
import os
import pty
import re
import select

import pytest

from anatomy.progress.board import Board
from anatomy.progress.estimate import Durations
from anatomy.progress.live_line import CLEAR, fitted
from anatomy.progress.screen import SILENT_SECONDS, Screen


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def board():
    board = Board(Durations(), Clock())
    board.plan({"grow": 2})
    board.start(1, "grow", ["base"])
    return board


def test_a_log_gets_a_line_only_when_something_changed_or_after_long_silence(board):
    log = io.StringIO()
    screen = Screen(board, log)
    screen.show()
    screen.show()
    assert re.fullmatch(r"\d\d:\d\d:\d\d progress: 0 of 2 jobs; running: grow base \(0 s\); 1 wait\n", log.getvalue())
    board.start(2, "grow", ["weak"])
    screen.show()
    assert log.getvalue().count("\n") == 2
    board.clock.now = SILENT_SECONDS + 1
    screen.show()
    assert log.getvalue().count("\n") == 3 and "\x1b" not in log.getvalue()


def test_a_terminal_gets_one_line_that_renews_itself(board, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    master, slave = pty.openpty()
    with open(slave, "w") as terminal:
        screen = Screen(board, terminal)
        assert screen.live
        screen.show()
        screen.show()
        screen.clear()
        seen = b""
        while select.select([master], [], [], 1.0)[0]:  # a terminal hands over what was written in pieces
            seen += os.read(master, 10_000)
    os.close(master)
    first = fitted(board.line(), 30)
    assert seen.decode() == f"{CLEAR}{first}{CLEAR}{first}{CLEAR}" and len(first) < 30


def test_a_line_never_wraps():
    assert fitted("x" * 80, 80) == "x" * 78 + "…" and fitted("short", 80) == "short"
