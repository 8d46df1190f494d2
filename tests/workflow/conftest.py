"""One finished quick run, shared by every test that needs a real result; the organism is grown once.

``ANATOMY_TEST_RUN`` names a folder to keep it in between calls: Snakemake then redoes only what has changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from quick_run import Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Run:
    """The quick run, finished."""
    kept = os.environ.get("ANATOMY_TEST_RUN")
    run = Run(Path(kept) if kept else tmp_path_factory.mktemp("quick"))
    run.folder.mkdir(parents=True, exist_ok=True)
    run.call()
    return run
