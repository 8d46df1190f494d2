"""The state of a run and the time that it still takes."""

import pytest

from anatomy.progress.board import Board
from anatomy.progress.estimate import Durations


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_jobs_are_counted_from_waiting_to_done(clock):
    board = Board(Durations(), clock)
    board.plan({"grow": 2, "page": 1})
    board.start(1, "grow", ["base", "0"])
    assert (board.waiting.total(), len(board.running), board.done) == (2, 1, 0)
    clock.now = 120.0
    assert board.line() == "0 of 3 jobs; running: grow base 0 (2 min); 2 wait"
    board.finish(1)
    assert (board.waiting.total(), len(board.running), board.done) == (2, 0, 1)


def test_a_failed_job_that_is_tried_again_is_no_longer_failed(clock):
    board = Board(Durations(), clock)
    board.plan({"grow": 1})
    board.start(1, "grow", logs=["grow.log"])
    board.fail(1)
    assert [job.logs for job in board.failed.values()] == [("grow.log",)] and "1 failed" in board.line()
    board.start(1, "grow")
    board.finish(1)
    assert not board.failed and board.done == 1 and board.waiting.total() == 0


def test_remaining_time_is_expected_work_over_jobs_at_a_time(clock):
    board = Board(Durations({"grow": [10.0], "page": [4.0]}), clock)
    board.plan({"grow": 4, "page": 1})
    board.start(1, "grow")
    board.start(2, "grow")
    clock.now = 5.0
    assert board.remaining() == pytest.approx((2 * 10 + 4 + 2 * 5) / 2)
    clock.now = 30.0  # longer than expected: what is left of a job is never negative
    assert board.remaining() == pytest.approx((2 * 10 + 4) / 2)


def test_nothing_is_promised_before_anything_is_known(clock):
    board = Board(Durations(), clock)
    board.plan({"grow": 2})
    board.start(1, "grow")
    assert board.remaining() is None and "left" not in board.line()
    clock.now = 8.0
    board.finish(1)
    assert board.remaining() == pytest.approx(8.0)


def test_durations_survive_a_run_and_a_damaged_file_is_forgotten(tmp_path):
    path = tmp_path / "durations.json"
    known = Durations()
    for seconds in range(30):
        known.learn("grow", float(seconds))
    known.write(path)
    assert Durations.read(path).expected("grow") == pytest.approx(sum(range(10, 30)) / 20), "the latest twenty"
    for text in ("{", "[1]", '{"grow": "x"}'):
        path.write_text(text)
        assert Durations.read(path).expected("grow") is None
