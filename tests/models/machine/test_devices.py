"""The device of a process: granted, or a GPU that nobody else holds or computes on.

No GPU here: torch's and the driver's answers are put in, the locks are real.
"""

import contextlib
import os
import subprocess
import sys

import pytest
import torch

from anatomy.errors import ConfigError
from anatomy.models.machine import devices
from anatomy.models.machine.devices import Gpu, device_name, take_gpus, this_device
from anatomy.models.machine.gpu_locks import GRANTED, VISIBLE, lock_folder
from anatomy.runs.resources.gpus import granted_gpus

IDLE, DESKTOP = Gpu(10, 80_000), Gpu(900, 8_000)
COMPUTING, FULL = Gpu(400, 80_000, (4711,)), Gpu(60_000, 80_000)
HOLD = """
import contextlib, sys, time
from pathlib import Path
from anatomy.models.machine.gpu_locks import hold_gpus
held = contextlib.ExitStack()
hold_gpus(sys.argv[2:], len(sys.argv[2:]), held, Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """A machine whose torch is built for GPUs: ``gpus(known, visible)`` says which there are; outside of a job."""
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(os.environ.get(VISIBLE)))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(devices, "_TAKEN", [])
    held = contextlib.ExitStack()
    monkeypatch.setattr(devices, "_HELD", held)
    monkeypatch.setenv("ANATOMY_GPU_LOCKS", str(tmp_path))
    for name in (GRANTED, "SLURM_JOB_ID", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def machine(**known):
        monkeypatch.setattr(devices, "known_gpus", lambda: {name.removeprefix("gpu"): gpu for name, gpu in known.items()})
        monkeypatch.setenv(VISIBLE, ",".join(name.removeprefix("gpu") for name in known))

    with held:
        yield machine


@pytest.fixture
def other():
    """Another process that holds GPUs as a job does."""
    processes = []

    def hold(*gpus):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(lock_folder()), *gpus],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()


def test_without_a_gpu_it_is_the_cpu(gpus):
    gpus()
    found = this_device()
    assert found.name == "cpu" and "no GPU is visible" in found.why


def test_a_build_for_the_cpu_asks_nobody(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(devices, "known_gpus", lambda: pytest.fail("asked the driver"))
    monkeypatch.setenv(VISIBLE, "0,1")
    assert device_name() == "cpu"


@pytest.mark.parametrize("only", [IDLE, DESKTOP])
def test_the_only_gpu_is_taken_and_held(gpus, only, tmp_path):
    gpus(gpu0=only)
    assert device_name() == "cuda:0" and "GPU 0 was free" in this_device().why
    with contextlib.ExitStack() as held, pytest.raises(ConfigError, match=f"0: held by process {os.getpid()}"):
        take_gpus(["0"], 1, held, {})


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"gpu0": COMPUTING, "gpu1": IDLE}, "1"),
        ({"gpu0": FULL, "gpu1": DESKTOP, "gpu2": IDLE}, "2"),
        ({"gpu0": IDLE, "gpu1": IDLE}, "0"),
        ({"gpuGPU-ab": FULL, "gpuGPU-cd": IDLE}, "GPU-cd"),
    ],
)
def test_of_several_one_that_nobody_computes_on(gpus, known, expected):
    gpus(**known)
    assert this_device().name == "cuda:0"
    assert os.environ[VISIBLE] == expected, "children and the engine see the same one"
    assert this_device().name == "cuda:0", "and it is asked for once"


def test_one_that_a_job_holds_is_never_picked(gpus, other):
    gpus(gpu0=IDLE, gpu1=DESKTOP)
    other("0")
    this_device()
    assert os.environ[VISIBLE] == "1"


def test_when_all_are_held_it_says_by_whom_and_takes_none(gpus, other):
    gpus(gpu0=IDLE, gpu1=COMPUTING, gpu2=FULL)
    holder = other("0")
    with pytest.raises(ConfigError) as caught:
        this_device()
    said = str(caught.value)
    assert f"0: held by process {holder.pid}" in said and "1: used by process 4711" in said and "2: 60000 of 80000 MiB" in said
    assert os.environ[VISIBLE] == "0,1,2"
    holder.kill()
    holder.wait()
    assert this_device().name == "cuda:0", "once it is free"


def test_a_part_of_a_gpu_that_the_driver_does_not_list_goes_by_its_lock(gpus, other, monkeypatch):
    gpus()
    monkeypatch.setenv(VISIBLE, "MIG-1/7/0,MIG-1/8/0")
    other("MIG-1/7/0")
    this_device()
    assert os.environ[VISIBLE] == "MIG-1/8/0"


def test_several_for_one_engine(gpus, other):
    gpus(gpu0=IDLE, gpu1=IDLE, gpu2=IDLE)
    other("1")
    this_device(count=2)
    assert os.environ[VISIBLE] == "0,2"


def test_cuda_that_is_open_already_keeps_its_numbers(gpus, other, monkeypatch):
    """A notebook that computed on GPU 0 before: its own memory there counts against nobody, a job's lock does."""
    gpus(gpu0=COMPUTING, gpu1=IDLE)
    current = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    held = other("0")
    assert this_device().name == "cuda:1" and current == [1] and os.environ[VISIBLE] == "0,1"
    held.kill()


def test_a_job_computes_on_what_it_was_granted(gpus, other, capsys):
    gpus(gpu0=IDLE, gpu1=IDLE)
    other("0")
    with granted_gpus(1):
        assert os.environ[GRANTED] == "1" and device_name() == "cuda:0" and device_name() == "cuda:0"
        assert capsys.readouterr().out.count("GPU 1 was granted") == 1
        with pytest.raises(ConfigError, match="1 GPUs granted"):
            this_device(count=2)
    with granted_gpus(0):
        found = this_device()
        assert found.name == "cpu" and "granted no GPU" in found.why
    assert GRANTED not in os.environ and os.environ[VISIBLE] == "0,1"


def test_what_a_scheduler_gave_is_a_grant(gpus, monkeypatch):
    gpus(gpu2=COMPUTING, gpu3=COMPUTING)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with granted_gpus(2):
        assert this_device(count=2).name == "cuda:0"


def test_a_granted_gpu_that_torch_cannot_use_is_an_error(gpus, monkeypatch):
    gpus(gpu0=IDLE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with granted_gpus(1), pytest.raises(ConfigError, match="cannot use"):
        this_device()


def test_the_drivers_answer_is_read(monkeypatch):
    answers = {
        "gpu": "0, GPU-ab, 12, 81559\n1, GPU-cd, 40000, 81559\n2, GPU-ef, [N/A], [N/A]\n",
        "compute-apps": f"GPU-cd, 99\nGPU-ab, {os.getpid()}\n[Unknown Error]\n",
    }

    def smi(command, **_):
        return subprocess.CompletedProcess(command, 0, stdout=answers[command[1].split("=")[0].removeprefix("--query-")])

    monkeypatch.setattr("shutil.which", lambda name: "/bin/nvidia-smi")
    monkeypatch.setattr("subprocess.run", smi)
    found = devices.known_gpus()
    assert found["0"] == found["GPU-ab"] == Gpu(12, 81559), "this process is nobody else"
    assert found["1"].programs == (99,) and "2" not in found
