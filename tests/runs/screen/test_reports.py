"""What a job tells the run's controller, through a file on a disk that may be another machine's."""

import json
import os
from pathlib import Path

import pytest
from stopped_clock import Clock

from anatomy.progress.counting import Progress, counted, reporting
from anatomy.runs.screen.reports import (
    FILE_SECONDS,
    LOG_SECONDS,
    JobReporter,
    Report,
    folder_of,
    read_report,
    remaining,
    remove_reports,
    report_path,
    told,
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def job(tmp_path, clock):
    """A reporter, its file and what it wrote to its log."""
    lines = []
    path = report_path(tmp_path, "localize", ["weak.s0"])
    reporter = JobReporter(path, lines.append, clock)
    with reporting(reporter):
        yield reporter, path, lines


def test_a_job_says_that_it_starts_then_what_it_says_then_what_it_counts(job, clock):
    reporter, path, _ = job
    assert read_report(path) == Report("starting")
    reporter.told("starting the engine\nand more")
    assert read_report(path) == Report("starting the engine")
    with Progress("steps", 100, whole=True, clock=clock) as progress:
        clock.now += 10.0
        progress.advance(25)
        found = read_report(path)
        assert (found.doing, found.fraction, found.whole) == ("steps: 25/100", 0.25, True)
        assert found.left == pytest.approx(30.0) and found.rate == pytest.approx(2.5)
        progress.advance(75)
    assert read_report(path) == Report("steps: done")
    reporter.close()
    assert read_report(path) is None and list(path.parent.iterdir()) == []


def test_the_first_of_many_that_run_together_says_nothing_of_the_rest(job, clock):
    _, path, _ = job
    with Progress("answers", 288, whole=True, clock=clock) as progress:
        clock.now += 45.0
        progress.advance(1)
        assert read_report(path).left is None
        clock.now += 5.0
        progress.advance(143)
        assert read_report(path).left == pytest.approx(50.0, rel=0.2)


def test_the_file_is_not_written_at_every_step(job, clock):
    _, path, _ = job
    seen = set()
    for _ in counted(range(1000), "steps", 1000):
        clock.now += FILE_SECONDS / 100
        seen.add(path.stat().st_ino)
    assert len(seen) <= 13


def test_the_job_s_log_has_a_line_twice_a_minute(job, clock):
    _, _, lines = job
    for _ in counted(range(600), "steps", 600):
        clock.now += 1.0
    assert 600 / LOG_SECONDS - 2 <= len(lines) <= 600 / LOG_SECONDS and "left" in lines[3] and "/s" in lines[3]


def test_a_resumed_computation_promises_nothing_from_what_it_found_done(job, clock):
    _, path, _ = job
    progress = Progress("steps", 200, whole=True, clock=clock)
    clock.now += 0.01
    progress.resume(100)
    clock.now += 10.0
    progress.advance(10)
    assert read_report(path).left == pytest.approx(90.0)


@pytest.mark.parametrize("broken", ["folder is a file", "read-only", "gone"])
def test_a_report_that_cannot_be_written_ends_nothing(tmp_path, broken, monkeypatch):
    path = report_path(tmp_path, "localize", [])
    if broken == "folder is a file":
        folder_of(tmp_path).parent.mkdir(parents=True)
        folder_of(tmp_path).write_text("")
    else:  # a full quota or a lost server cannot be had here: the lowest call says so

        def refused(*_):
            raise OSError({"read-only": 30, "gone": 116}[broken], "refused")

        monkeypatch.setattr(os, "replace", refused)
    reporter = JobReporter(path, lambda line: None)
    with reporting(reporter):
        assert sum(counted([1, 2, 3], "numbers", 3)) == 6
    reporter.close()
    assert not [name for name in tmp_path.rglob("*.partial")]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"doing": 3}', b'{"doing": "x", "left": "soon"}', b'{"other": 1}', b"\xff"]
)
def test_a_file_that_says_nothing_is_none(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    assert read_report(tmp_path / "x.json") is None


def test_jobs_of_one_rule_have_files_of_their_own_and_names_need_not_be_file_names(tmp_path):
    paths = {report_path(tmp_path, "evaluate", values) for values in (["a", "b"], ["a", "c"], ["a/../../x", "b"], ["ü" * 300])}
    assert len(paths) == 4 and all(path.parent == folder_of(tmp_path) for path in paths)
    for path in paths:
        JobReporter(path, print)
    assert len(list(folder_of(tmp_path).iterdir())) == 4


def test_what_a_killed_run_left_is_swept(tmp_path):
    JobReporter(report_path(tmp_path, "evaluate", []), print)
    (folder_of(tmp_path) / ".x.json.12.partial").write_text("{")
    remove_reports(tmp_path)
    assert list(folder_of(tmp_path).iterdir()) == []
    remove_reports(tmp_path / "nothing")


def test_time_left_counts_down_and_then_says_that_it_takes_longer():
    assert [remaining(10.0, since) for since in (0.0, 4.0, 9.0)] == [10.0, 6.0, 1.0]
    assert 0 <= remaining(10.0, 20.0) < remaining(10.0, 60.0)
    assert told(Report("steps: 1/4", 0.5, 0.25, 90.0, True), 30.0) == "25 %, 1 min 00 s left, 0.5/s, steps: 1/4"
    assert told(Report("loading")) == "loading"


def test_the_file_is_json_for_whoever_else_looks(job):
    assert set(json.loads(Path(job[1]).read_text())) == {"doing", "rate", "fraction", "left", "whole"}
