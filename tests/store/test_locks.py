"""Locks: one holder, none after a kill, and on a disk without them a sentence and a way on that keeps the promise.

What a disk answers is put at ``flock`` itself: in this process by replacing ``fcntl.flock``, in others by a library in front of
the C library's (``disk_without_locks``).
"""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest
from disk_without_locks import without_locks

from anatomy.errors import LockError, StoreError
from anatomy.models.machine import gpu_locks
from anatomy.runs.controller.hold import RunRecord, hold, read_record, write_record
from anatomy.runs.resources import gpus
from anatomy.sources.registry.download import Request, download
from anatomy.store.lease import lease
from anatomy.store.locks import FOLDER, NO_LOCKS, lock_file, signed_by, try_lock

LACKING = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524, errno.EBADF, errno.EINVAL, errno.EPERM]
BROKEN = [
    errno.EIO,
    errno.ESTALE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.ETIMEDOUT,
    errno.ENOMEM,
    errno.EMFILE,
]

HOLDER = """
import sys, time
from pathlib import Path
from anatomy.store.locks import try_lock
lock = try_lock(Path(sys.argv[1]))
if lock:
    lock.sign()
print("held" if lock else "busy", flush=True)
time.sleep(60 if lock else 0)
"""


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.delenv("ANATOMY_GPU_LOCKS", raising=False)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A folder, and how to let ``flock`` fail below it from then on."""
    folder, real = tmp_path / "disk", fcntl.flock
    folder.mkdir()

    def answer(code):
        def flock(file, operation):
            if os.readlink(f"/proc/self/fd/{file.fileno()}").startswith(str(folder)):
                raise OSError(code, os.strerror(code))
            return real(file, operation)

        monkeypatch.setattr(fcntl, "flock", flock)

    return folder, answer


@pytest.fixture
def holding():
    """Starts processes that hold a lock; each is gone at the end."""
    started = []

    def start(path, environment=None):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**(environment or os.environ), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()


def take_hold(folder):
    with hold(folder / "results"):
        return "held"


def take_lease(folder):
    with lease([folder / "stage" / "cell"], lambda text: None):
        return "held"


def take_gpu(folder):
    with gpus.granted_gpus(1, locks=folder):
        return "held"


def take_download(folder):
    download(Request("http://localhost:9/nothing"), folder / "aside", timeout=1.0, tries=1)


TAKERS = [take_hold, take_lease, take_gpu, take_download]


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_every_answer_in_the_list_is_tried_here():
    assert set(LACKING) >= NO_LOCKS - {errno.ENOTTY}


@pytest.mark.parametrize("code", LACKING)
@pytest.mark.parametrize("take", TAKERS)
def test_a_disk_without_locks_is_named_with_the_way_on(disk, one_gpu, take, code):
    folder, answer = disk
    answer(code)
    with pytest.raises(LockError) as failed:
        take(folder)
    assert "no file locks" in str(failed.value) and f"errno {code}" in str(failed.value)
    assert f"{FOLDER}=" in failed.value.remedy and "no other machine" in failed.value.remedy and str(folder) in failed.value.where


@pytest.mark.parametrize("code", BROKEN)
@pytest.mark.parametrize("take", TAKERS)
def test_a_disk_that_is_not_in_order_is_told_in_a_sentence(disk, one_gpu, take, code):
    folder, answer = disk
    answer(code)
    with pytest.raises(StoreError, match=f"errno {code}") as failed:
        take(folder)
    assert failed.value.remedy


@pytest.mark.parametrize(
    "code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENODEV]
)
def test_a_lock_file_that_cannot_be_opened_is_told_in_a_sentence(tmp_path, monkeypatch, code):
    """The call is ``open``; a read-only disk and a full one are also had for real, in ``tests/faults``."""

    def refuse(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("anatomy.store.locks.open", refuse, raising=False)
    with pytest.raises(StoreError) as failed:
        try_lock(tmp_path / "lock")
    assert os.strerror(code) in failed.value.found and failed.value.remedy


def test_an_interrupted_call_is_made_again(tmp_path, monkeypatch):
    real, calls = fcntl.flock, []

    def interrupted(file, operation):
        calls.append(operation)
        if len(calls) < 3:
            raise InterruptedError(errno.EINTR, "Interrupted system call")
        return real(file, operation)

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with try_lock(tmp_path / "lock") as lock:
        assert lock is not None and len(calls) == 3


@pytest.mark.parametrize("moved", [False, True])
def test_one_holder_that_is_named_and_none_after_a_kill(tmp_path, monkeypatch, holding, moved):
    if moved:
        monkeypatch.setenv(FOLDER, str(tmp_path / "local"))
    path = tmp_path / "disk" / "lock"
    process, said = holding(path)
    assert said == "held" and try_lock(path) is None and str(process.pid) in signed_by(path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with try_lock(path) as lock:
        assert lock is not None


def test_what_a_file_holds_survives_its_being_locked(tmp_path):
    (tmp_path / "aside").write_text("half a download")
    with try_lock(tmp_path / "aside"):
        assert (tmp_path / "aside").read_text() == "half a download"


@pytest.mark.parametrize("code", [errno.ENOLCK, 524])
def test_the_way_on_works_in_other_processes_too(tmp_path, holding, code):
    disk = tmp_path / "disk"
    disk.mkdir()
    refused, _ = holding(disk / "lock", without_locks(tmp_path, disk, code))
    assert refused.wait(timeout=60) == 1
    there = without_locks(tmp_path, disk, code, ANATOMY_LOCKS=str(tmp_path / "local"))
    first, said = holding(disk / "lock", there)
    assert said == "held" and holding(disk / "lock", there)[1] == "busy" and holding(disk / "other", there)[1] == "held"
    first.kill()
    first.wait()
    assert holding(disk / "lock", there)[1] == "held"


def test_who_names_no_folder_and_who_names_one_see_each_other(tmp_path, holding):
    path, moved = tmp_path / "lock", {**os.environ, FOLDER: str(tmp_path / "local")}
    first, said = holding(path)
    assert said == "held" and holding(path, moved)[1] == "busy"
    first.kill()
    first.wait()
    assert holding(path, moved)[1] == "held" and holding(path)[1] == "busy"


def test_one_file_by_two_names_is_one_lock(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "local"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert lock_file(tmp_path / "link" / "hold") == lock_file(tmp_path / "disk" / "hold") != lock_file(tmp_path / "hold")


@pytest.mark.parametrize("folder", ["locks", "./locks"])
def test_a_folder_by_a_relative_path_is_refused(tmp_path, monkeypatch, folder):
    monkeypatch.setenv(FOLDER, folder)
    with pytest.raises(LockError, match="absolute path"):
        try_lock(tmp_path / "lock")


def test_a_folder_that_others_can_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / f"alignment-anatomy-{os.getuid()}").mkdir()
    (tmp_path / f"alignment-anatomy-{os.getuid()}").chmod(0o777)
    with pytest.raises(LockError, match="someone else"):
        try_lock(tmp_path / "lock")


def test_a_named_folder_without_locks_asks_for_another(disk, monkeypatch, tmp_path):
    folder, answer = disk
    monkeypatch.setenv(FOLDER, str(folder))
    answer(errno.ENOLCK)
    with pytest.raises(LockError, match=f"another folder in {FOLDER}"):
        try_lock(tmp_path / "lock")


def test_gpus_are_held_in_the_named_folder(disk, one_gpu, monkeypatch, tmp_path):
    folder, answer = disk
    answer(errno.ENOLCK)
    monkeypatch.setattr(gpu_locks, "lock_folder", lambda: folder)
    with pytest.raises(LockError), gpus.granted_gpus(1):
        pass
    monkeypatch.undo()
    monkeypatch.setenv(gpus.VISIBLE, "0")
    monkeypatch.setenv(FOLDER, str(tmp_path / "local"))
    with gpus.granted_gpus(1) as mine:
        assert mine == ("0",) and list((tmp_path / "local").rglob("0.lock"))


def record_of(folder, **facts):
    return RunRecord(
        **{
            "id": "ab",
            "command": "snakemake here",
            "executor": "local",
            "workdir": str(folder.parent),
            "results": str(folder.resolve()),
            **facts,
        }
    )


def test_a_run_on_another_machine_is_not_passed_by_with_locks_of_this_one(tmp_path, monkeypatch):
    """With locks that this machine alone sees, the record of a run that did not end speaks for it."""
    results = tmp_path / "results"
    write_record(results, record_of(results, host="login2"))
    with hold(results):
        pass
    monkeypatch.setenv(FOLDER, str(tmp_path / "local"))
    with pytest.raises(LockError, match=r"login2(.|\n)*run\.json"), hold(results):
        pass
    assert read_record(results).host == "login2"
    for harmless in (
        record_of(results, host="login2", ended=True),
        record_of(results),
        record_of(results, host="login2", results="/elsewhere/results"),
    ):
        write_record(results, harmless)
        assert take_hold(tmp_path) == "held"


def test_a_note_that_does_not_fit_on_the_disk_costs_no_lock(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("anatomy.store.locks.os.ftruncate", full)
    assert take_lease(tmp_path) == "held"
