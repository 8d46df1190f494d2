"""Rows that were computed before the disk filled up are kept, and the next run computes the others."""

import errno
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anatomy.errors import StoreError
from anatomy.store.cell import Cell
from anatomy.store.fill import Lazy, Want, assemble, fill
from anatomy.store.upkeep import verify

ITEMS = 8


class Model:
    """A session that is nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def want(root):
    rows = pd.DataFrame({"id": [f"p{n}" for n in range(ITEMS)], "item": [f"{n:08x}" for n in range(ITEMS)]})
    return Want(Cell(root, "generate", {"model": "m"}), rows, {"variant": "base"})


def compute(_model, wants):
    """One shard an item; numbers that do not compress, so that a shard takes room."""
    for one in wants:
        for item in one.rows["item"]:
            noise = np.random.default_rng(int(item, 16)).bytes(12_000)
            yield one, pd.DataFrame({"item": [item], "response": [noise.hex()]})


def run(root):
    with Lazy(Model, root, "generate") as session:
        return fill([want(root)], session, compute, lambda text: None)


def check_resumed(root, kept):
    """The rows before the failure are whole; a second run computes the rest alone."""
    assert 0 < kept < ITEMS and not verify(root).damaged
    assert not list(root.rglob("*.partial"))
    with pytest.raises(StoreError, match=f"{kept} of {ITEMS} wanted rows"):
        assemble([want(root)], ["id"])


def test_a_write_that_fails_half_way_costs_only_its_shard(tmp_path, monkeypatch):
    written = []
    original = Path.write_bytes

    def write_bytes(path, content):
        if len(written) == 3:
            original(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return original(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(StoreError, match=r"No space left.*\n.*\n.*finished work is kept"):
            run(tmp_path)
    check_resumed(tmp_path, 3)
    assert run(tmp_path) == ITEMS - 3
    assert len(assemble([want(tmp_path)], ["id"])) == ITEMS


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 128 kB, and how to give it options anew."""

    def mount(*options):
        return subprocess.run(["mount", *options, tmp_path], capture_output=True, check=False).returncode

    if mount("-t", "tmpfs", "-o", "size=128k", "tmpfs"):
        pytest.skip("mounting a small file system needs rights this user lacks")
    yield tmp_path, lambda options: mount("-o", f"remount,{options}")
    subprocess.run(["umount", tmp_path], check=True)


def test_a_disk_that_really_fills_up_is_resumed_when_there_is_room(small_disk):
    root, remount = small_disk
    with pytest.raises(StoreError, match="free space"):
        run(root)
    kept = len(want(root).cell.read())
    check_resumed(root, kept)
    assert remount("size=4m") == 0
    assert run(root) == ITEMS - kept
    assert len(assemble([want(root)], ["id"])) == ITEMS


def test_a_read_only_store_is_explained_and_still_read(small_disk):
    root, remount = small_disk
    assert remount("size=4m") == 0
    run(root)
    assert remount("ro") == 0
    assert len(want(root).cell.read()) == ITEMS
    with pytest.raises(StoreError, match="mend the permissions"):
        Cell(root, "generate", {"model": "other"}).append(pd.DataFrame({"item": ["a"]}))
