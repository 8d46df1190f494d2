"""One live line on a terminal, few lines in a log."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from stopped_clock import Clock

from anatomy.progress.terminal import CLEAR, columns_of, fitted
from anatomy.runs.screen.board import Board
from anatomy.runs.screen.screen import DULL_SECONDS, LOG_SECONDS, TURN_SECONDS, Screen


@pytest.fixture
def board():
    board = Board(None, Clock())
    board.plan({"grow": 2})
    board.start(1, "grow", ["base"])
    return board


@pytest.fixture
def log(tmp_path):
    with open(tmp_path / "log", "w") as file:
        yield file


@pytest.fixture
def terminal(monkeypatch):
    """A terminal 60 columns wide, and how to read what stands on it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))

    def read():
        seen = b""
        while select.select([master], [], [], 0.3)[0]:  # a terminal hands over what was written in pieces
            seen += os.read(master, 10_000)
        return seen.decode()

    with open(slave, "w") as file:
        yield file, read
    os.close(master)


def lines_in(seconds, board, screen):
    """Show the board every second for so long."""
    for _ in range(seconds):
        board.clock.now += 1.0
        screen.show()


def test_a_log_has_a_line_a_minute_whatever_happens_or_not(board, log):
    kept = []
    screen = Screen(board, log, kept.append)
    lines_in(600, board, screen)
    found = Path(log.name).read_text()
    assert "\x1b" not in found and LOG_SECONDS <= 60
    assert re.match(r"\d\d:\d\d:\d\d progress: 0 of 2 jobs; grow base \(1 s\)\n", found)
    assert found.count("\n") >= 10 and found.splitlines() == kept
    assert len({line.partition("progress")[2] for line in kept}) == len(kept), "each says something else than the one before"


def test_a_terminal_gets_one_line_that_renews_itself(board, terminal):
    file, read = terminal
    screen = Screen(board, file)
    assert screen.live
    screen.show()
    first = board.line()
    board.clock.now = 1.0
    screen.show()
    screen.clear()
    assert read() == f"{CLEAR}{first}{CLEAR}{board.line()}{CLEAR}"


def test_where_the_line_is_too_short_every_job_has_its_turn_twice_a_minute(board, terminal):
    file, read = terminal
    for number in range(2, 18):
        board.start(number, "evaluate", [f"model-{number}"])
    screen = Screen(board, file)
    seen = ""
    for _ in range(30):
        board.clock.now += 1.0
        screen.show()
        seen += read() if board.clock.now % 10 == 0 else ""
    seen += read()
    shown = [line for line in seen.split(CLEAR) if line]
    assert all(cell_len(line) < 60 for line in shown) and TURN_SECONDS <= 30
    assert any(line.startswith("0 of 2 jobs") for line in shown)
    assert all(any(f"model-{number} (" in line for line in shown) for number in range(2, 18))


def test_a_terminal_that_cannot_renew_a_line_gets_one_twice_a_minute(board, terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    file, read = terminal
    screen = Screen(board, file)
    assert not screen.live and DULL_SECONDS <= 30
    lines_in(60, board, screen)
    seen = read()
    assert seen.count("progress:") >= 2 and "\x1b" not in seen


def test_a_terminal_that_goes_away_leaves_the_log(board, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    kept = []
    with open(slave, "w") as file:
        screen = Screen(board, file, kept.append)
        screen.show()
        os.close(master)
        lines_in(120, board, screen)
        screen.clear()
    assert len(kept) >= 2


def test_nothing_is_shown_before_a_job_runs(terminal):
    file, read = terminal
    Screen(Board(None, Clock()), file).show()
    assert read() == ""


@pytest.mark.parametrize("columns", [1, 2, 3, 10, 79, 80, 200])
@pytest.mark.parametrize("text", ["x" * 80, "ü" * 80, "漢" * 80, "👩" * 50, ""])
def test_a_line_never_wraps(text, columns):
    assert cell_len(fitted(text, columns)) < columns or text == "" == fitted(text, columns)


def test_what_fits_stays():
    assert fitted("x" * 80, 80) == "x" * 78 + "…" and fitted("short", 80) == "short"


def test_the_width_is_that_of_the_terminal_written_to(terminal, monkeypatch):
    file, _ = terminal
    assert columns_of(file.fileno()) == 60
    monkeypatch.setenv("COLUMNS", "33")
    assert columns_of(file.fileno()) == 33
    for nonsense in ("0", "-3", "wide", ""):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert columns_of(file.fileno()) == 60
    with open(os.devnull, "w") as nowhere:
        assert columns_of(nowhere.fileno()) == 80
