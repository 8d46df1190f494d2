"""Adapters that are served lie in a folder that does not outlive its job."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from anatomy.serving.private import PREFIX, private_folder, sweep


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_gone_afterwards():
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "adapter").write_text("x")
    assert not folder.exists()


def test_what_a_killed_job_left_is_swept_and_a_living_jobs_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{dead.pid}-"))
    with private_folder() as living:
        assert not left.exists()
        assert sweep() == [] and living.exists()
