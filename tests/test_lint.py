"""The linter's rules hold: an undefined name in a script is otherwise seen only where the script runs."""

import subprocess
import sys

from quick_run import ROOT


def test_no_rule_is_broken():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "workflow", "tests",
                           "envs"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
