"""The rules of linter, formatters and type checker hold: an undefined name in a script is otherwise seen only where it runs."""

import subprocess
import sys

import pytest
from quick_run import ROOT

CALLS = {
    "linter": ["ruff", "check", "--no-cache", "--output-format", "concise", "workflow", "tests", "envs"],
    "formatter": ["ruff", "format", "--no-cache", "--check", "workflow", "tests", "envs"],
    "formatter of rules": ["snakefmt", "--check", "Snakefile", "workflow/rules", "tests/cluster/Snakefile"],
    "type checker": ["mypy"],
}


@pytest.mark.parametrize("tool", CALLS)
def test_no_rule_is_broken(tool):
    done = subprocess.run([sys.executable, "-m", *CALLS[tool]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
