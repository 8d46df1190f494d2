"""The linter's and the formatter's rules hold: an undefined name in a script is otherwise seen only where the script runs."""

import subprocess
import sys

import pytest
from quick_run import ROOT

CALLS = {
    "linter": ["check", "--output-format", "concise"],
    "formatter": ["format", "--check"],
}


@pytest.mark.parametrize("tool", CALLS)
def test_no_rule_is_broken(tool):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *CALLS[tool], "--no-cache", "workflow", "tests", "envs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
