"""An export is there whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from copied_models import edit_of

from anatomy.errors import StoreError
from anatomy.interventions.export import folder as folders
from anatomy.interventions.export.folder import MARKER, whole_folder
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint


def fill(target, text):
    with whole_folder(target) as aside:
        (aside / MARKER).write_text(text)


def test_it_appears_at_the_end_and_replaces_an_earlier_one(tmp_path):
    target = tmp_path / "deep" / "out"
    with whole_folder(target) as aside:
        (aside / MARKER).write_text("first")
        assert not target.exists() and aside.parent == target.parent
    with whole_folder(target) as aside:
        (aside / MARKER).write_text("second")
        assert (target / MARKER).read_text() == "first"
    assert (target / MARKER).read_text() == "second"
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_an_error_leaves_nothing_and_keeps_the_earlier_one(tmp_path):
    target = tmp_path / "out"
    for earlier in (None, "first"):
        if earlier:
            fill(target, earlier)
        with pytest.raises(RuntimeError, match="half way"), whole_folder(target) as aside:
            (aside / "model.safetensors").write_text("half")
            raise RuntimeError("half way")
        assert [path.name for path in tmp_path.iterdir()] == (["out"] if earlier else [])
    assert (target / MARKER).read_text() == "first"


def test_what_is_no_export_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="something there that is no export"):
        fill(tmp_path / "out", "x")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError, match="something there that is no export"):
        fill(tmp_path / "file", "x")


def test_a_disk_without_room_is_refused_at_once_with_both_numbers(tiny_folder, direction, tmp_path, monkeypatch):
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    size = (tiny_folder / "model.safetensors").stat().st_size
    with pytest.raises(StoreError, match=rf"1000 bytes free[^$]*{size + folders.RESERVE} bytes"):
        export(tiny_folder, direction, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["pwrite", "copy_file_range", "fsync"])
def test_a_disk_that_fills_up_half_way_leaves_nothing(tiny_folder, direction, tmp_path, monkeypatch, call):
    real, calls = getattr(os, call), []

    def full(*arguments):
        calls.append(call)
        if len(calls) > (3 if call == "pwrite" else 0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match=r"No space left on device[^$]*finished work is kept"):
        export(tiny_folder, direction, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def export(source, direction, target):
    rewrites = low_rank_rewrites(edit_of(source, direction).factors)
    with whole_folder(target) as aside:
        stream_checkpoint(Checkpoint(source), rewrites, aside)
        (aside / MARKER).write_text("{}")


KILLED = """
import os, sys, time
from pathlib import Path
from anatomy.interventions.export import stream
from anatomy.interventions.export.folder import whole_folder
from anatomy.interventions.export.rewrite import Replacement
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint
import torch

def stuck(*arguments):
    print("writing", flush=True)
    time.sleep(600)

checkpoint = Checkpoint(Path(sys.argv[1]))
name = "model.layers.1.mlp.down_proj.weight"
stream.write_all = lambda *arguments: stuck() if arguments[2] else os.pwrite(*arguments)
with whole_folder(Path(sys.argv[2])) as aside:
    stream_checkpoint(checkpoint, {name: Replacement(torch.ones(checkpoint.shape(name)))}, aside)
"""


def test_a_kill_half_way_leaves_no_folder_and_the_next_export_cleans_up(tiny_folder, direction, tmp_path):
    target = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tiny_folder, target],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = [path.name for path in tmp_path.iterdir()]
    assert not target.exists() and len(left) == 1 and left[0].endswith(".partial")
    export(tiny_folder, direction, target)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_is_still_running_is_not_swept(tmp_path):
    target = tmp_path / "out"
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        beside = folders._beside(target, "partial")
        running = beside.with_name(beside.name.replace(f".{os.getpid()}.", f".{sleeper.pid}."))
        running.mkdir()
        fill(target, "x")
        assert running.is_dir()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    """The earlier export, moved away and not yet replaced, is put back before anything else."""
    target = tmp_path / "out"
    fill(target, "first")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    beside = folders._beside(target, "replaced")
    target.rename(beside.with_name(beside.name.replace(f".{os.getpid()}.", f".{int(gone.stdout)}.")))
    with pytest.raises(RuntimeError, match="stop"), whole_folder(target):
        raise RuntimeError("stop")
    assert (target / MARKER).read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
