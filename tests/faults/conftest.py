"""A finished study, copied for every fault, and what a call on it costs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from own_study import call

from anatomy.store.journal import count


@pytest.fixture
def study(own_run, tmp_path) -> Path:
    """A copy to be damaged, with times and metadata."""
    shutil.copytree(own_run, tmp_path / "study", symlinks=True)
    return tmp_path / "study"


@pytest.fixture
def cost(study) -> Callable[..., tuple[subprocess.CompletedProcess, int, int]]:
    """Calls Snakemake on the study; gives what it said, engine and model starts, and rows computed."""

    def called(*arguments: str, check: bool = True) -> tuple[subprocess.CompletedProcess, int, int]:
        before = count(study / "results" / "store")
        done = call(study, *arguments, check=check)
        after = count(study / "results" / "store")
        return done, after["starts"] - before["starts"], after["rows"] - before["rows"]

    return called
