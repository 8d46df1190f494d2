"""The state of a run and the time that it still takes."""

from itertools import pairwise

import pytest
from stopped_clock import Clock

from anatomy.progress.counting import Progress, reporting
from anatomy.runs.screen.board import Board
from anatomy.runs.screen.reports import JobReporter, report_path


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(tmp_path, clock):
    return Board(tmp_path, clock)


def report(board, rule, *wildcards):
    """What a job's own process would hold."""
    return JobReporter(report_path(board.results, rule, wildcards), lambda line: None, board.clock)


def test_jobs_are_counted_from_waiting_to_done(board, clock):
    board.plan({"grow": 2, "page": 1})
    board.start(1, "grow", ["base", "0"])
    assert (board.waiting.total(), len(board.running), board.done) == (2, 1, 0)
    clock.now = 120.0
    assert board.line() == "0 of 3 jobs; grow base 0 (2 min 00 s)"
    board.finish(1)
    assert (board.waiting.total(), len(board.running), board.done) == (2, 0, 1)


def test_a_failed_job_that_is_tried_again_is_no_longer_failed(board):
    board.plan({"grow": 1})
    board.start(1, "grow", logs=["grow.log"])
    board.fail(1, 137)
    assert [(job.logs, job.status) for job in board.failed.values()] == [(("grow.log",), 137)] and "1 failed" in board.line()
    board.start(1, "grow")
    board.finish(1)
    assert not board.failed and board.done == 1 and board.waiting.total() == 0


def test_the_plan_speaks_before_any_job_has_ended(board, clock):
    board.plan({"grow": 3, "page": 1})
    board.forecast({"grow 1": ("grow", 100.0), "grow 2": ("grow", 100.0), "grow 3": ("grow", 100.0), "page": ("page", 30.0)})
    board.start(1, "grow", ["1"])
    assert board.remaining() == pytest.approx(330.0)
    clock.now = 10.0
    assert board.remaining() == pytest.approx(320.0), "it counts down while nothing happens"


def test_a_plan_that_comes_late_does_not_count_what_is_over(board, clock):
    board.plan({"grow": 2})
    board.start(1, "grow", ["1"])
    clock.now = 5.0
    board.finish(1)
    board.start(2, "grow", ["2"])
    board.forecast({"grow 1": ("grow", 10.0), "grow 2": ("grow", 10.0)})
    assert board.remaining() == pytest.approx(10.0)


def test_jobs_side_by_side_take_less_together(board, clock):
    board.plan({"grow": 4})
    board.forecast({f"grow {n}": ("grow", 20.0) for n in range(4)})
    board.start(1, "grow", ["0"])
    board.start(2, "grow", ["1"])
    clock.now = 10.0
    assert board.remaining() == pytest.approx((2 * 20 + 2 * 10) / 2)


def test_finished_jobs_correct_the_plan_for_their_rule_most_and_for_others_too(board, clock):
    board.plan({"grow": 3, "page": 1})
    board.forecast({**{f"grow {n}": ("grow", 50.0) for n in range(3)}, "page": ("page", 50.0)})
    for n in range(2):
        board.start(n, "grow", [str(n)])
        clock.now += 475.0
        board.finish(n)
    assert 350 < board.estimate.expected("grow 2", "grow") < 475
    assert 50 < board.estimate.expected("page", "page") < 475


def test_one_job_that_the_plan_is_far_off_on_says_little_of_other_rules(board, clock):
    board.plan({"train": 1, "answer": 20})
    board.forecast({"train": ("train", 10.0), **{f"answer {n}": ("answer", 100.0) for n in range(20)}})
    board.start(0, "train", [])
    clock.now += 1000.0
    board.finish(0)
    assert 100 < board.estimate.expected("answer 1", "answer") < 500


def test_a_running_job_s_fraction_corrects_what_waits(board, clock):
    """The first training is nine times slower than planned: the others wait as long, and it is known before it has ended."""
    board.plan({"grow": 6})
    board.forecast({f"grow {n}": ("grow", 50.0) for n in range(6)})
    board.start(0, "grow", ["0"])
    planned = board.remaining()
    job = report(board, "grow", "0")
    with reporting(job), Progress("steps", 200, whole=True, clock=clock) as progress:
        clock.now = 100.0
        progress.advance(50)
        board.look()
    assert board.left(board.running[0]) == pytest.approx(300.0)
    assert board.remaining() > 3 * planned
    assert "25 %, 5 min 00 s left, 0.5/s, steps: 50/200" in board.line()


def test_a_part_of_a_job_is_a_lower_bound(board, clock):
    board.plan({"grow": 1})
    board.forecast({"grow 0": ("grow", 500.0)})
    board.start(0, "grow", ["0"])
    with reporting(report(board, "grow", "0")), Progress("reading", 100, clock=clock) as progress:
        clock.now = 10.0
        progress.advance(50)
        board.look()
    assert board.left(board.running[0]) == pytest.approx(490.0)
    assert "10 s left of this" in board.line()


@pytest.mark.parametrize("known", ["nothing", "plan", "count", "words"])
def test_the_line_never_stands_still(board, clock, known):
    """Whatever is known of a job, and however long it is silent."""
    board.plan({"grow": 2})
    if known != "nothing":
        board.forecast({"grow 0": ("grow", 50.0), "grow 1": ("grow", 50.0)})
    board.start(0, "grow", ["0"])
    job = report(board, "grow", "0")
    if known == "words":
        job.told("starting the engine")
    with reporting(job), Progress("steps", 200 if known == "count" else 0, whole=True, clock=clock) as progress:
        if known in ("nothing", "plan"):
            job.close()
        clock.now = 5.0
        if known == "count":
            progress.advance(20)
        lines, left = [], []
        for _ in range(60):
            clock.now += 30.0
            board.look()
            lines.append(board.line())
            left.append(board.remaining())
    assert all(one != other for one, other in pairwise(lines))
    if known != "nothing":
        assert all(one != other for one, other in pairwise(left)) and min(left) > 0


def test_of_a_killed_attempt_nothing_is_believed(board, clock):
    board.plan({"grow": 1})
    report(board, "grow", "0").told("almost done")
    board.start(0, "grow", ["0"])
    board.look()
    assert "almost" not in board.line()
    report(board, "grow", "0").told("loading")
    board.look()
    board.fail(0)
    assert not list((board.results / "controller" / "progress").iterdir())


def test_age_of_a_report_is_told_by_the_controller_s_own_clock(board, clock):
    """The clock of another machine may be hours away."""
    board.plan({"grow": 1})
    board.start(0, "grow", ["0"])
    report(board, "grow", "0").told("loading")
    clock.now = 7.0
    board.look()
    clock.now = 27.0
    board.look()
    assert "loading, for 20 s" in board.line()


def test_a_job_that_has_said_all_is_ending(board, clock):
    """Its process still takes seconds to go, and what it said last is no longer so."""
    board.plan({"grow": 1})
    board.start(0, "grow", ["0"])
    job = report(board, "grow", "0")
    with reporting(job), Progress("steps", 2, whole=True, clock=clock) as progress:
        clock.now = 5.0
        progress.advance()
        board.look()
    job.close()
    board.look()
    clock.now = 9.0
    board.look()
    assert board.line().endswith("grow 0 (9 s): ending, for 4 s")


def test_nothing_is_promised_before_anything_is_known(board, clock):
    board.plan({"grow": 2})
    board.start(1, "grow")
    assert board.remaining() is None and "left" not in board.line()
    clock.now = 8.0
    board.finish(1)
    assert board.remaining() == pytest.approx(8.0)


def test_a_plan_that_knows_some_jobs_only_is_used_for_the_others(board):
    board.plan({"grow": 2, "page": 1})
    board.forecast({"grow 0": ("grow", 40.0)})
    assert board.remaining() == pytest.approx(120.0)
