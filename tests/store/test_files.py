"""Files appear whole or not at all, and a bad disk is explained."""

import errno
import os
import subprocess

import pytest

from anatomy.errors import StoreError
from anatomy.store.digest import canonical_json, digest
from anatomy.store.files import explained, read_json, write_aside, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.json"
    write_json(path, {"version": 1})

    def fail(aside):
        aside.write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_aside(path, fail)
    assert read_json(path) == {"version": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["table.json"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_or_unwritable_disk_is_explained(tmp_path, code):
    def full(aside):
        raise OSError(code, "refused")

    with pytest.raises(StoreError, match="finished work is kept"):
        write_aside(tmp_path / "table", full)


def test_a_folder_that_an_image_will_not_let_go_is_explained(tmp_path):
    """Layers of a container answer EXDEV to a folder's new name."""
    with pytest.raises(StoreError, match="move away what is there"), explained(tmp_path):
        raise OSError(errno.EXDEV, "Invalid cross-device link", "folder")


@pytest.mark.parametrize("path", ["file/table", "file/folder/table", "folder"])
def test_something_in_the_way_is_explained(tmp_path, path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="move away what is there"):
        write_json(tmp_path / path, {})
    assert (tmp_path / "file").read_text() == "not a folder" and sorted(tmp_path.iterdir()) == [
        tmp_path / "file",
        tmp_path / "folder",
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 kB."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights this user lacks")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_disk_that_really_fills_up_keeps_what_is_finished(small_disk):
    write_json(small_disk / "first.json", {"kept": True})
    with pytest.raises(StoreError, match="No space left"):
        write_json(small_disk / "second.json", {"text": "x" * 200_000})
    assert read_json(small_disk / "first.json") == {"kept": True}
    assert sorted(item.name for item in small_disk.iterdir()) == ["first.json"]


def test_digests_ignore_order_and_refuse_nan():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, 524])
def test_a_file_system_that_knows_no_fsync_is_written_all_the_same(tmp_path, monkeypatch, code):
    """As some answer for folders, or for files that were opened to be read; the answer is put at ``os.fsync``."""

    def fsync(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    write_json(tmp_path / "table", {"rows": 3})
    assert read_json(tmp_path / "table") == {"rows": 3}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_did_not_reach_the_disk_is_no_file(tmp_path, monkeypatch, code):
    def fsync(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="finished work is kept"):
        write_json(tmp_path / "table", {"rows": 3})
    assert not list(tmp_path.iterdir())
