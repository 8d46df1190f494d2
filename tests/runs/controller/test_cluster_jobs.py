"""Cluster jobs of a killed run are cancelled before anything is submitted; other jobs are not. The queue is a small program."""

import json

import pytest

from anatomy.errors import StoreError
from anatomy.runs.controller.cluster_jobs import cancel_jobs

QUEUE = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
queue = Path({queue!r})
jobs = json.loads(queue.read_text())
if sys.argv[0].endswith("scancel"):
    queue.write_text(json.dumps([job for job in jobs if job[0] not in sys.argv[1:]]))
else:
    print("\\n".join("|".join(job) for job in jobs))
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue with jobs of this run, of another run, of another folder, and somebody's own."""
    path = tmp_path / "queue.json"
    folder = str(tmp_path)
    path.write_text(
        json.dumps(
            [
                ["1", "anatomy-aa_uuid", folder],
                ["2", "anatomy-bb_uuid", folder],
                ["3", "anatomy-aa_uuid", "/elsewhere"],
                ["4", "mine", folder],
                ["5_[1-3]", "anatomy-aa_uuid", folder],
            ]
        )
    )
    for name in ("squeue", "scancel"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(QUEUE.format(queue=str(path)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return path


def test_exactly_the_jobs_of_the_run_are_cancelled(queue, tmp_path):
    assert cancel_jobs("aa", str(tmp_path), submitted=True, poll=0.01) == 2
    assert [job[0] for job in json.loads(queue.read_text())] == ["2", "3", "4"]


def test_jobs_that_do_not_end_stop_the_run(queue, tmp_path):
    (tmp_path / "bin" / "scancel").write_text("#!/bin/sh\n")
    with pytest.raises(StoreError, match="1, 5_"):
        cancel_jobs("aa", str(tmp_path), submitted=True, wait=0.0, poll=0.01)


def test_a_queue_that_does_not_answer_stops_the_run(queue, tmp_path):
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\necho down >&2; exit 1\n")
    with pytest.raises(StoreError, match="squeue: down"):
        cancel_jobs("aa", str(tmp_path), submitted=True)


def test_without_a_queue_a_local_run_is_gone_on_with_and_a_cluster_run_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cancel_jobs("aa", str(tmp_path), submitted=False) == 0
    with pytest.raises(StoreError, match="no squeue here"):
        cancel_jobs("aa", str(tmp_path), submitted=True)
