"""A job whose disk is full still says why it failed, although its log cannot take a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""Linux's device on which every write fails for want of space."""


def run_job(log, body):
    lines = [
        "from anatomy.runs.job import job",
        "from anatomy.errors import StoreError",
        f"with job('extract weak', {str(log)!r}) as run:",
        *(f"    {line}" for line in body),
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "body",
    [
        [
            "raise StoreError(found='No space left on device while writing', expected='room', "
            "where='t.parquet', remedy='free space')"
        ],
        ["print('chatter')", "raise StoreError(found='No space left', expected='room', where='t.parquet', remedy='free space')"],
        ["run.say('half way')", "import os", "os.makedirs('never reached')"],
    ],
)
def test_the_reason_reaches_the_terminal(tmp_path, body):
    done = run_job(FULL, body)
    assert done.returncode == 1
    assert "[extract weak] failed" in done.stderr and "No space left" in done.stderr
