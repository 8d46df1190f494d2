"""Snakemake's checksums of inputs: one read for a file however many outputs ask, and a new one when it was written again."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from snakemake.io import _IOFile
from supervised import HEAD

from anatomy.runs.controller.input_checksums import SETTLED, checksums_read_once

RULE = SimpleNamespace(workflow=SimpleNamespace(iocache=SimpleNamespace(active=False)))
LIMIT = 1000


@pytest.fixture
def reads(monkeypatch):
    """How often a file's content was hashed."""
    counted, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: counted.append(1) or digest(*given))
    return counted


@pytest.fixture
def settle(monkeypatch):
    """Lets a moment pass."""
    began = time.time_ns()
    passed = [0]
    monkeypatch.setattr(time, "time_ns", lambda: began + passed[0])

    def more():
        passed[0] += 2 * SETTLED

    return more


def asked(path):
    file = _IOFile(str(path), rule=None)
    file.rule = RULE
    return asyncio.run(file.checksum(LIMIT))


def test_a_file_is_read_once_however_often_its_checksum_is_asked_for(tmp_path, reads, settle):
    path = tmp_path / "one"
    path.write_text("one")
    settle()
    with checksums_read_once():
        found = {asked(path) for _ in range(50)}
    assert len(reads) == 1 and found == {f"sha256:{hashlib.sha256(b'one').hexdigest()}"}
    asked(path)
    assert len(reads) == 2, "as before, once the run is over"


@pytest.mark.parametrize("content", ["two", "longer", ""])
def test_a_file_that_was_written_again_is_read_again(tmp_path, reads, settle, content):
    path = tmp_path / "one"
    path.write_text("one")
    os.utime(path, (1, 1))
    settle()
    with checksums_read_once():
        before = asked(path)
        path.write_text(content)
        settle()
        assert asked(path) != before and len(reads) == 2


def test_a_file_written_a_moment_ago_may_be_written_again_under_the_same_date(tmp_path, reads, settle):
    path = tmp_path / "one"
    path.write_text("one")
    with checksums_read_once():
        asked(path), asked(path)
    assert len(reads) == 2


def test_large_files_and_missing_ones_have_no_checksum_as_without(tmp_path, reads, settle):
    large = tmp_path / "large"
    large.write_bytes(bytes(LIMIT + 1))
    settle()
    with checksums_read_once():
        assert asked(large) is None and asked(tmp_path / "nothing") is None
    assert not reads


@pytest.mark.workflow
def test_an_input_whose_content_changed_makes_its_job_run_again(tmp_path):
    names = [f"results/{n}.txt" for n in range(3)]
    (tmp_path / "Snakefile").write_text(
        f'{HEAD}\nrule page:\n    input: "a.csv", "b.csv"\n    output: {names}, "results/report.html"\n'
        '    log: "results/page.log"\n    shell: "echo ran >> ran; for file in {output}; do cat {input} > $file; done"\n'
    )
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}

    def call():
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "rules"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "ran").read_text().count("ran")

    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, (1, 1))
    assert call() == 1
    (tmp_path / "a.csv").write_text("same")  # younger than the outputs, and what it was
    assert call() == 1
    (tmp_path / "a.csv").write_text("other")
    assert call() == 2
