"""A full disk, read-only results, damaged files, a clock that was set back: explained, and nothing lost or computed twice."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time

import pandas as pd
import pytest
from disk_without_locks import without_locks
from final_tables import check_equal
from own_study import command
from quick_run import ROOT, environment

from anatomy.store.files import read_json
from anatomy.store.journal import count

pytestmark = pytest.mark.workflow
JUDGED = "results/judge/mine/test.parquet"


def mount(*arguments) -> int:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode


@pytest.fixture
def own_disk(study):
    """The study's results on a file system of their own, and how to give it options anew."""
    results, aside = study / "results", study / "aside"
    results.rename(aside)
    results.mkdir()
    if mount("-t", "tmpfs", "-o", "size=512m", "tmpfs", results):
        pytest.skip("mounting a small file system needs rights this user lacks")
    shutil.copytree(aside, results, dirs_exist_ok=True)
    yield lambda options: mount("-o", f"remount,{options}", results)
    subprocess.run(["umount", results], check=True)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_read_only_results_are_told_at_once(own_disk, own_run, study, cost):
    (study / JUDGED).unlink()
    assert own_disk("ro") == 0
    done, *_ = cost(JUDGED, check=False)
    assert done.returncode and "mend the permissions" in done.stderr and "Traceback" not in done.stderr
    assert own_disk("rw") == 0
    _, *spent = cost(JUDGED)
    assert spent == [0, 0]
    check_equal(study / "results", own_run / "results")


def test_a_disk_that_fills_up_costs_what_was_being_written(own_disk, own_run, study, cost):
    """Room is left for the run's record, not for the figures."""
    results = study / "results"
    (results / "report.html").unlink()
    shutil.rmtree(results / "figures")
    used = sum(path.stat().st_blocks for path in results.rglob("*")) * 512
    assert own_disk(f"size={used + (200 << 10)}") == 0
    done, *_ = cost("results/figures/headline.models.svg", check=False)
    said = done.stdout + done.stderr
    assert done.returncode and "No space left" in said and "go on with:" in said
    assert own_disk("size=512m") == 0
    done, *spent = cost()
    assert spent == [0, 0]
    check_equal(results, own_run / "results")


def test_a_flipped_bit_in_a_shard_costs_its_rows(own_run, study, cost):
    results = study / "results"
    table = results / "measure" / "mine" / "completions.parquet"
    cell = results / "store" / read_json(table.with_suffix(".cells.json"))[0]
    shard = next(cell.glob("*.parquet"))
    rows = len(pd.read_parquet(shard))
    flip_a_bit(shard)
    table.unlink()
    done, starts, computed = cost("results/measure/mine/completions.parquet")
    assert (starts, computed) == (1, rows)
    assert "damaged:" in done.stdout + done.stderr and shard.with_suffix(".damaged").exists()
    check_equal(results, own_run / "results")


def test_damaged_directions_are_found_before_they_are_used(own_run, study, cost):
    results = study / "results"
    flip_a_bit(results / "extract" / "mine" / "plain" / "directions.safetensors")
    (results / "measure" / "mine" / "completions.parquet").unlink()
    target = "results/measure/mine/completions.parquet"
    done, *_ = cost(target, check=False)
    assert done.returncode and "directions.safetensors" in done.stderr and "extraction is made anew" in done.stderr
    *_, computed = cost(target)
    assert computed == 0, "equal directions: every row is still valid"
    check_equal(results, own_run / "results")


def test_truncated_weights_are_refused_and_put_back(own_run, study, cost):
    weights, target = study / "model" / "model.safetensors", "results/models/mine.json"
    content, stat = weights.read_bytes(), weights.stat()
    weights.write_bytes(content[:-100])
    done, *_ = cost(target, check=False)
    assert done.returncode and "truncated" in done.stdout + done.stderr
    weights.write_bytes(content)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done, *spent = cost(target)
    assert spent == [0, 0]
    check_equal(study / "results", own_run / "results")


def test_a_clock_that_was_set_back_costs_no_row(own_run, study, cost):
    """What was made before seems to come from tomorrow."""
    tomorrow = time.time() + 86_400
    for path in (study / "results" / "evaluate").rglob("*.parquet"):
        os.utime(path, (tomorrow, tomorrow))
    _, *spent = cost(JUDGED)
    assert spent == [0, 0]
    check_equal(study / "results", own_run / "results")


def date(paths, seconds):
    for path in paths:
        os.utime(path, (seconds, seconds))


@pytest.mark.long  # tests/runs/controller/test_file_times.py: each kind by itself
def test_sources_code_and_results_of_tomorrow_cost_nothing(own_run, study, tmp_path):
    """A colleague's clock is ahead, and ours was: pairs, weights, judge, benchmark, configuration, code and results are of
    tomorrow. Times in the copied checkout alone are changed."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=shutil.ignore_patterns(".*", "results", "tests"))
    results, tomorrow = study / "results", time.time() + 86_400
    made_of_sources = ["results/prompts/harmful_requests.parquet", "results/models/mine.json", "results/judges/guard.json"]
    for gone in (*made_of_sources, JUDGED):
        (study / gone).unlink()
    date([path for path in (*study.rglob("*"), *checkout.rglob("*")) if ".snakemake" not in path.parts], tomorrow)

    def call(*arguments):
        interpreter, *asked = command(study, *arguments)
        asked = [interpreter, *(part.replace(str(ROOT), str(checkout)) for part in asked)]
        return subprocess.run(asked, capture_output=True, text=True, check=False, env=environment())

    before = count(results / "store")["rows"]
    for wanted, told in ((made_of_sources, "from the future"), ([JUDGED], "made under a clock that was ahead")):
        done = call(*wanted)
        assert done.returncode == 0 and told in done.stderr and "clock skew" not in done.stderr, done.stderr[-3000:]
    assert count(results / "store")["rows"] == before, "no row was computed"
    check_equal(results, own_run / "results")
    assert "Nothing to be done" in call(*made_of_sources, JUDGED).stderr
    edited = study / "harmful.csv"
    edited.write_text(edited.read_text().replace("garden", "orchard"))
    assert "prompt_set" in call(*made_of_sources, "--dry-run").stdout, "an edit is told at once, not when the date has passed"


def test_a_disk_without_locks_is_named_and_the_way_on_ends_well(own_run, study, cost, tmp_path, monkeypatch):
    (study / JUDGED).unlink()
    (study / "results" / "evaluate" / "mine" / "test.0.completions.parquet").unlink()
    for name, value in without_locks(tmp_path, study, errno.ENOLCK).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANATOMY_LOCKS", raising=False)
    done, *spent = cost(JUDGED, check=False)
    assert done.returncode and "no file locks" in done.stderr and "ANATOMY_LOCKS=/tmp" in done.stderr
    assert "Traceback" not in done.stderr and spent == [0, 0]
    monkeypatch.setenv("ANATOMY_LOCKS", str(tmp_path / "local"))
    _, *spent = cost(JUDGED)
    assert spent == [0, 0]
    check_equal(study / "results", own_run / "results")


def test_two_controllers_at_once(own_run, study, cost):
    (study / "results" / "report.html").unlink()
    shutil.rmtree(study / "results" / "figures")
    first = subprocess.Popen(command(study), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
    record = study / "results" / "controller" / "run.json"
    deadline = time.monotonic() + 60
    while read_json(record)["pid"] != first.pid and time.monotonic() < deadline:
        time.sleep(0.05)
    done, *_ = cost(check=False)
    assert done.returncode and re.search(rf"still going: pid {first.pid} ", done.stderr) and "Traceback" not in done.stderr
    looked, *_ = cost("status")
    # The figures may be done by now, and on a fast machine the page too.
    assert "page: 1" in looked.stdout + looked.stderr or (study / "results" / "report.html").exists()
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said[-3000:]
    check_equal(study / "results", own_run / "results")
