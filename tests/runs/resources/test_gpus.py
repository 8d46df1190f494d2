"""GPUs that several processes share: each is held once, waits end, and a killed holder gives back what it had."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from anatomy.errors import ConfigError, LockError
from anatomy.runs.resources.gpus import VISIBLE, granted_gpus, visible_gpus

HOLD = """
import sys, time
from pathlib import Path
from anatomy.runs.resources.gpus import granted_gpus
with granted_gpus(int(sys.argv[1]), locks=Path(sys.argv[2])) as mine:
    print(",".join(mine), flush=True)
    time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Four GPUs by name, no scheduler, and the folder of their locks."""
    monkeypatch.setenv(VISIBLE, "0,1,2,3")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def hold(count, folder, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(count), str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def granted(process):
    """What a holder was granted: its last line, after what it may say of waiting."""
    while (line := process.stdout.readline()).startswith("waiting"):
        pass
    return set(line.strip().split(","))


def free(folder, gpus="0123"):
    found = set()
    for gpu in gpus:
        with open(folder / f"{gpu}.lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.add(gpu)
            except BlockingIOError:
                pass
    return found


def test_processes_hold_different_gpus(machine):
    holders = [hold(count, machine, 60) for count in (1, 2, 1)]
    try:
        held = [granted(holder) for holder in holders]
        assert [len(gpus) for gpus in held] == [1, 2, 1] and set.union(*held) == set("0123")
        assert free(machine) == set()
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
    assert free(machine) == set("0123")


def test_a_killed_holder_makes_room_for_one_who_waits(machine):
    first, second = hold(3, machine, 60), None
    try:
        assert len(granted(first)) == 3
        second = hold(2, machine, 60)
        time.sleep(1.5)
        assert free(machine) == {"3"}, "who waits holds nothing meanwhile"
        os.kill(first.pid, signal.SIGKILL)
        assert len(granted(second)) == 2
    finally:
        for holder in filter(None, (first, second)):
            holder.kill()
            holder.wait()


def test_many_jobs_on_few_gpus_never_meet(machine, monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    holders = [hold(count, machine, 0.2) for count in (1, 2, 1, 2)]
    assert [len(granted(holder)) for holder in holders] == [1, 2, 1, 2]
    assert all(holder.wait(timeout=60) == 0 for holder in holders)


def test_the_process_sees_its_own_gpus_only_and_then_all_again(machine):
    with granted_gpus(2, locks=machine) as mine:
        assert os.environ[VISIBLE] == ",".join(mine) and len(mine) == 2
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID", "0 is the same GPU to every process"
        assert len(free(machine)) == 2
    assert os.environ[VISIBLE] == "0,1,2,3" and len(free(machine)) == 4


def test_a_job_without_gpus_sees_none(machine):
    with granted_gpus(0, locks=machine) as mine:
        assert mine == () and os.environ[VISIBLE] == ""
    with granted_gpus(None, locks=machine):
        assert os.environ[VISIBLE] == "0,1,2,3", "packages for a CPU: nothing to grant, nothing to hide"


def test_failure_gives_back(machine):
    with pytest.raises(RuntimeError), granted_gpus(4, locks=machine):
        raise RuntimeError
    assert len(free(machine)) == 4


def test_names_are_kept(machine, monkeypatch):
    monkeypatch.setenv(VISIBLE, "MIG-1/7/0, GPU-ab")
    assert visible_gpus() == ["MIG-1/7/0", "GPU-ab"]
    with granted_gpus(2, locks=machine) as mine:
        assert os.environ[VISIBLE] == "MIG-1/7/0,GPU-ab" and mine == ("MIG-1/7/0", "GPU-ab")


def test_what_a_scheduler_gave_is_left_alone(machine, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv(VISIBLE, "2,3")
    with granted_gpus(2, locks=machine) as mine:
        assert mine == ("2", "3") and os.environ[VISIBLE] == "2,3" and not list(machine.iterdir())
    with granted_gpus(0, locks=machine) as mine:
        assert mine == ("2", "3"), "asked for by --gres"
    monkeypatch.delenv(VISIBLE)
    with granted_gpus(0, locks=machine) as mine:
        assert mine == () and VISIBLE not in os.environ


def test_jobs_within_one_allocation_share_it(machine, monkeypatch):
    """A node of one's own and Snakemake on it: the allocation is larger than the job."""
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("ANATOMY_GPU_LOCKS", str(machine))
    with granted_gpus(1) as mine:
        assert mine == ("0",) and os.environ[VISIBLE] == "0"
        assert [folder.name.endswith("-17") for folder in machine.iterdir()] == [True]


def test_more_than_there_are_is_refused(machine):
    with pytest.raises(ConfigError, match="4 visible GPUs"), granted_gpus(5, locks=machine):
        pass


def test_a_folder_that_others_can_write_is_refused(machine, monkeypatch):
    machine.chmod(0o777)
    monkeypatch.setenv("ANATOMY_GPU_LOCKS", str(machine))
    with pytest.raises(LockError, match="someone else"), granted_gpus(1):
        pass
