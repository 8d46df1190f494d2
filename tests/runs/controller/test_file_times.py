"""Files dated ahead of the clock: Snakemake's work on them is kept, changes are told afterwards, and nothing runs twice."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest
from supervised import HEAD

from anatomy.errors import StoreError
from anatomy.runs.controller.file_times import SECOND, agree, bring_back, disk_time

pytestmark = pytest.mark.workflow

HOUR = 3600
SNAKEFILE = (
    HEAD
    + """
rule page:
    input: part="results/part.txt", more="more.csv"
    output: "results/report.html"
    log: "results/page.log"
    shell: "echo page >> ran; cat {input} > {output}; test ! -e late || touch -d tomorrow {input.part} {input.more}"
rule part:
    input: "pairs.csv", "weights.bin"
    output: "results/part.txt", "results/card.json"
    benchmark: "results/part.tsv"
    log: "results/part.log"
    shell: "echo part >> ran; cat pairs.csv > {output[0]}; wc -c weights.bin > {output[1]}"
"""
)
SOURCES = ("pairs.csv", "more.csv", "weights.bin")


@dataclass
class Job:
    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    benchmark: str | None = None


def date(path, seconds, **options):
    os.utime(path, (seconds, seconds), **options)


@pytest.fixture
def file(tmp_path):
    """Makes a file with a date; its path as Snakemake gives it."""

    def make(name, seconds=None):
        (tmp_path / name).write_text(name)
        if seconds is not None:
            date(tmp_path / name, seconds)
        return str(tmp_path / name)

    return make


def now_of(tmp_path):
    return disk_time(tmp_path / "clock")


def mtime(path):
    return os.stat(path).st_mtime_ns


@pytest.mark.parametrize("ahead", [600, 3 * HOUR, 24 * HOUR, 10**10])
def test_a_source_is_dated_back_to_when_it_came(tmp_path, file, ahead):
    source = file("pairs.csv", time.time() + ahead)
    came = os.stat(source).st_ctime_ns
    said = []
    now = now_of(tmp_path)
    bring_back([Job([source])], now, said.append)
    assert mtime(source) == came <= now and "pairs.csv" in said[0] and "ahead" in said[0]
    bring_back([Job([source])], now_of(tmp_path), said.append)
    assert len(said) == 1, "once is enough"


@pytest.mark.parametrize("dated", [-(10**9), -1, 0, 1, 315_532_800, 10**9])
def test_old_dates_stay(tmp_path, file, dated):
    source, result = file("pairs.csv", dated), file("part.txt", dated)
    bring_back([Job([source], [result])], now_of(tmp_path), pytest.fail)
    assert mtime(source) == mtime(result) == dated * SECOND


def test_seconds_between_two_clocks_are_no_word_worth(tmp_path, file):
    source = file("pairs.csv", time.time() + 5)
    now = now_of(tmp_path)
    bring_back([Job([source])], now, pytest.fail)
    assert mtime(source) <= now


def test_a_file_that_came_under_a_clock_ahead_is_dated_now(tmp_path, file):
    """Or on another disk, whose clock is ahead of the one that dates the results: here, one that is behind and coarse."""
    source = file("pairs.csv")
    now = (time.time_ns() // SECOND - 1000) * SECOND
    bring_back([Job([source])], now, lambda text: None)
    assert mtime(source) == now


def test_a_link_and_what_it_points_to_are_both_dated_back(tmp_path, file):
    """As in the hub's cache: links to blobs."""
    blob, link = file("blob", time.time() + HOUR), tmp_path / "model.safetensors"
    link.symlink_to(blob)
    date(link, time.time() + 2 * HOUR, follow_symlinks=False)
    now = now_of(tmp_path)
    bring_back([Job([str(link)])], now, lambda text: None)
    assert mtime(blob) <= now and link.lstat().st_mtime_ns <= now and link.is_symlink()


def test_results_of_results_are_dated_now_and_results_of_sources_before_them(tmp_path, file):
    hour = time.time() + HOUR
    source, part, page = file("pairs.csv", 10**9), file("part.txt", hour), file("page.html", hour)
    tsv, earlier = file("part.tsv", hour), file("earlier.txt", 10**9 + 7)
    now = now_of(tmp_path)
    said = []
    bring_back([Job([source], [part, earlier], tsv), Job([part], [page])], now, said.append)
    assert mtime(part) == mtime(tsv) == (10**9 - 1) * SECOND, "so that Snakemake compares their sources' contents"
    assert mtime(page) == now and mtime(earlier) == (10**9 + 7) * SECOND
    assert len(said) == 1 and "and 2 more" in said[0]


def test_results_of_ancient_sources_have_a_date_that_snakemake_reads(tmp_path, file):
    """It takes the time 0 for none."""
    source, result = file("pairs.csv", 0), file("part.txt", time.time() + HOUR)
    bring_back([Job([source], [result])], now_of(tmp_path), lambda text: None)
    assert mtime(result) == SECOND


def test_files_that_are_not_there_are_nobodys_concern(tmp_path):
    bring_back([Job([str(tmp_path / "a")], [str(tmp_path / "b")], str(tmp_path / "c"))], now_of(tmp_path), pytest.fail)


def test_a_date_that_may_not_be_changed_is_refused_in_one_sentence(tmp_path, file):
    """On a read-only disk, had for real where this user may mount one."""
    disk = tmp_path / "mirror"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs rights this user lacks")
    try:
        source = file("mirror/model.safetensors", time.time() + 3 * HOUR)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(StoreError, match=r"model\.safetensors(.|\n)*may not change \(Read-only(.|\n)*touch") as failed:
            bring_back([Job([source])], now_of(tmp_path), pytest.fail)
        assert "cp -r" in failed.value.remedy
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_that_may_only_be_written_is_dated_now(tmp_path, file, monkeypatch):
    """A group's file: a date of one's own choice is the owner's right. The kernel's answer is put at ``os.utime``."""
    source, real = file("pairs.csv", time.time() + HOUR), os.utime

    def utime(path, times=None, **options):
        if times is not None or options.get("ns") is not None:
            raise PermissionError(1, "Operation not permitted")
        return real(path, times, **options)

    monkeypatch.setattr(os, "utime", utime)
    bring_back([Job([source])], now_of(tmp_path), lambda text: None)
    assert mtime(source) <= now_of(tmp_path)


def test_after_a_job_inputs_give_way_or_else_outputs(tmp_path, file, monkeypatch):
    source, result = file("pairs.csv", time.time() + HOUR), file("part.txt")
    assert agree([source], [result]) and mtime(source) == mtime(result)
    assert not agree([source], [result]) and not agree([], [result]) and not agree([source], [])
    date(source, time.time() + HOUR)
    real = os.utime

    def utime(path, *arguments, **options):
        if path == source:
            raise OSError(30, "Read-only file system")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "utime", utime)
    assert agree([source], [result]) and mtime(result) == mtime(source) > time.time_ns()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A workflow of two rules on sources below and above the size up to which Snakemake compares contents."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "pairs.csv").write_text("one\n")
    (tmp_path / "more.csv").write_text("more\n")
    (tmp_path / "weights.bin").write_bytes(bytes(2_000_000))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(study):
    """Snakemake, with this project's triggers; gives the rules that ran and what was said."""
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}

    def called():
        (study / "ran").unlink(missing_ok=True)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "snakemake",
                "--cores",
                "1",
                "--quiet",
                "rules",
                "--rerun-triggers",
                "mtime",
                "params",
                "input",
            ],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return (study / "ran").read_text().split() if (study / "ran").exists() else [], done.stderr

    return called


def test_sources_of_tomorrow_through_snakemake(study, call):
    for name in (*SOURCES, "Snakefile"):
        date(study / name, time.time() + 24 * HOUR)
    ran, said = call()
    assert ran == ["part", "page"] and "from the future" in said and "and 2 more." in said
    assert call()[0] == [], "nothing runs again, today or when the date has passed"
    (study / "pairs.csv").write_text("two\n")
    assert call()[0] == ["part", "page"], "an edit is told at once"
    assert "two" in (study / "results" / "report.html").read_text()


def test_results_of_tomorrow_through_snakemake(study, call):
    """A clock that was an hour ahead when they were made, and has been set right since."""
    call()

    def from_tomorrow():
        for path in (study / "results").glob("*.*"):
            date(path, time.time() + 24 * HOUR)

    from_tomorrow()
    (study / "results" / "report.html").unlink()
    ran, said = call()
    assert ran.count("page") == 1 and "made under a clock that was ahead" in said
    from_tomorrow()
    (study / "pairs.csv").write_text("two\n")
    assert call()[0] == ["part", "page"], "an edit since then is not hidden by the date of what was made before it"
    assert call()[0] == []


def test_dates_that_move_while_a_job_runs_cost_it_nothing(study, call):
    """A clock set back, a file copied in with its date: Snakemake would report a skewed clock and delete the output."""
    (study / "late").write_text("")
    ran, _ = call()
    assert ran == ["part", "page"] and (study / "results" / "report.html").exists()
    (study / "late").unlink()
    assert call()[0] == []
