"""One controller at a time; a killed one's leftovers are cleared, a live one's never."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from anatomy.errors import StoreError
from anatomy.runs.controller.hold import RunRecord, read_record
from anatomy.runs.controller.orphans import VARIABLE, find_processes
from anatomy.runs.controller.takeover import clear, controlled

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from anatomy.runs.controller.takeover import controlled
with controlled("results", Path(sys.argv[1]), "snakemake here", "local", print):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def run(folder, said=None, **options):
    say = (said if said is not None else []).append
    return controlled("results", folder, "snakemake here", "local", say, **options)


@pytest.fixture
def holder(tmp_path):
    """A live controller with one child, and the child's process id."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    yield process, child
    process.kill()
    process.wait()
    for pid in find_processes(read_record(tmp_path / "results").id):
        os.kill(pid, signal.SIGKILL)


def write_locks(folder, number=0, results="results"):
    locks = folder / ".snakemake" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / f"{number}.input.lock").write_text("harmful.csv\n")
    (locks / f"{number}.output.lock").write_text(f"{results}/report.html\n{results}/claims/ledger.csv\n")
    return locks


def test_a_second_controller_is_told_who_holds_the_run(holder, tmp_path):
    process, child = holder
    locks = write_locks(tmp_path)
    with pytest.raises(StoreError, match=rf"pid {process.pid} on .*snakemake here"), run(tmp_path):
        pass
    assert process.poll() is None and len(list(locks.iterdir())) == 2
    os.kill(child, 0)  # still there


def test_what_a_killed_controller_left_is_cleared(holder, tmp_path):
    process, child = holder
    locks = write_locks(tmp_path)
    process.kill()
    process.wait()
    killed = read_record(tmp_path / "results").id
    assert find_processes(killed) == [child]
    said = []
    with run(tmp_path, said) as mine:
        assert list(locks.iterdir()) == []
        assert find_processes(killed) == []
        assert os.environ[VARIABLE] == mine.id != killed
    assert f"pid {process.pid}" in said[0] and "1 of its processes ended" in said[0] and "lock removed" in said[0]


def test_a_kill_during_the_clearing_loses_no_leftover(holder, tmp_path, monkeypatch):
    """The record of the killed run stays until all of it is cleared."""
    process, child = holder
    process.kill()
    process.wait()
    before = read_record(tmp_path / "results")
    monkeypatch.setattr("anatomy.runs.controller.takeover.end_processes", lambda run: 1 / 0)
    with pytest.raises(ZeroDivisionError), run(tmp_path):
        pass
    assert read_record(tmp_path / "results") == before
    os.kill(child, 0)


def test_locks_of_other_results_in_the_same_folder_stay(tmp_path):
    locks = write_locks(tmp_path, 0, "results-of-another-run")
    write_locks(tmp_path, 1)
    said = []
    with run(tmp_path, said):
        assert sorted(path.name for path in locks.iterdir()) == ["0.input.lock", "0.output.lock"]


def test_an_end_in_peace_leaves_nothing_to_clear(tmp_path):
    said = []
    with run(tmp_path, said):
        assert not read_record(tmp_path / "results").ended
    assert read_record(tmp_path / "results").ended and VARIABLE not in os.environ
    with run(tmp_path, said):
        pass
    assert said == []


def test_in_a_copy_of_the_results_the_originals_run_is_left_alone(holder, tmp_path):
    process, child = holder
    shutil.copytree(tmp_path / "results", tmp_path / "copy" / "results")
    said = []
    with run(tmp_path / "copy", said):
        assert process.poll() is None
        os.kill(child, 0)
    assert said == []


def test_a_torn_record_stops_nobody(tmp_path):
    with run(tmp_path):
        pass
    (tmp_path / "results" / "controller" / "run.json").write_text('{"id": "ab')
    with run(tmp_path):
        assert json.loads((tmp_path / "results" / "controller" / "run.json").read_text())["ended"] is False


@pytest.mark.parametrize("silent", [False, True])
def test_the_queue_is_cleared_first_and_processes_end_even_where_it_is_silent(tmp_path, monkeypatch, silent):
    """On one machine a job's processes are found as local ones too, and one killed there would count as failed."""
    calls = []

    def cancel(run, workdir, submitted):
        calls.append("queue")
        if silent:
            raise StoreError(found="no answer", expected="an answer", where="squeue")
        return 1

    monkeypatch.setattr("anatomy.runs.controller.takeover.cancel_jobs", cancel)
    monkeypatch.setattr("anatomy.runs.controller.takeover.end_processes", lambda run: calls.append("processes") or 2)
    (tmp_path / "results").mkdir()
    last = RunRecord("a1", "snakemake", "slurm", str(tmp_path), str(tmp_path / "results"))
    said = []
    with pytest.raises(StoreError) if silent else contextlib.nullcontext():
        clear(last, "results", tmp_path, said.append)
    assert calls == ["queue", "processes", *(["queue"] if not silent else [])]
    assert not said if silent else "2 of its cluster jobs cancelled, 2 of its processes ended" in said[0]
