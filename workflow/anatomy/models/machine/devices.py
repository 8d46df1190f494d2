"""Which device a process computes on, named in one place: ``cpu``, or a GPU that nobody else is using.

In a job the device follows from the GPUs that it was granted. A program outside of a job, such as a notebook, takes one GPU for
itself when it first asks, under the same locks that jobs take, and keeps it until it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anatomy.errors import ConfigError
from anatomy.models.machine.gpu_locks import GRANTED, ORDER, VISIBLE, granted, hold_gpus, visible_gpus

OCCUPIED_SHARE = 0.5
"""A GPU of whose memory more than this is taken counts as used by another program. A desktop's windows take less; a program in
another container takes memory here without being listed."""


@dataclass(frozen=True)
class Device:
    """A place to compute.

    Attributes:
        name: as torch takes it: ``cpu``, ``cuda:0``.
        why: the reason, as a sentence for people.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Gpu:
    """What the driver says of one GPU.

    Attributes:
        used, total: its memory in MiB.
        programs: process ids of programs that compute on it.
    """

    used: int
    total: int
    programs: tuple[int, ...] = ()

    @property
    def occupied(self) -> str:
        """In words, what another program does with it; empty for a GPU that nobody computes on."""
        if self.programs:
            return f"used by process {', '.join(map(str, self.programs))}"
        return f"{self.used} of {self.total} MiB in use" if self.used > OCCUPIED_SHARE * self.total else ""


_HELD = contextlib.ExitStack()
"""Locks of the GPU of a program outside of a job: the kernel takes them back when the process ends."""
_TAKEN: list[Device] = []
"""The device that such a program was given when it first asked."""


def device_name() -> str:
    """The device of this process, as torch takes it (``this_device``); a GPU is named once in the job's log, with the reason."""
    device = this_device()
    if device.name != "cpu":
        _say(f"computing on {device.name}: {device.why}")
    return device.name


def this_device(count: int = 1) -> Device:
    """The device of this process.

    Args:
        count: GPUs that it is going to use; the device is the first one.

    Raises:
        ConfigError: fewer GPUs were granted than wanted; torch cannot use a GPU that was granted; or, outside of a job, other
            processes hold or use the GPUs.
    """
    import torch

    if torch.version.cuda is None:
        return Device("cpu", "this environment's torch is built for the CPU")
    if _TAKEN:
        return _TAKEN[0]
    given = granted()
    if given is None:
        return _taken(count)
    if not given:
        return Device("cpu", "this job was granted no GPU")
    if len(given) < count:
        raise ConfigError(
            found=f"{len(given)} GPUs granted ({', '.join(given)})",
            expected=f"{count}",
            where=socket.gethostname(),
            remedy=f"ask for as many (gpu in resources.rules), or name as many in {GRANTED} and {VISIBLE}",
        )
    if not torch.cuda.is_available():
        raise ConfigError(
            found=f"GPU {', '.join(given)}, which torch {torch.__version__} cannot use",
            expected="a driver and a torch that fit each other",
            where=socket.gethostname(),
            remedy="look at nvidia-smi; a driver older than torch's CUDA is the usual reason",
        )
    return Device("cuda:0", f"GPU {', '.join(given)} was granted to this process")


def gpus_beside(device: str) -> list[str]:
    """GPUs that this process was granted, ``device`` first: a model can be spread over them. None where the CPU computes."""
    if not device.startswith("cuda"):
        return []
    given = granted() or ()
    return [device, *(f"cuda:{number}" for number in range(1, len(given)))]


def _taken(count: int) -> Device:
    """A device for a program that no job surrounds."""
    import torch

    for name, value in ORDER.items():
        os.environ.setdefault(name, value)
    visible = visible_gpus()
    if not visible:
        return Device("cpu", "no GPU is visible")
    if torch.cuda.is_initialized():  # too late to hide the others: this process keeps CUDA's numbers
        current = torch.cuda.current_device()
        chosen = take_gpus(visible, count, _HELD, known_gpus(), own=visible[current : current + 1])
        place = visible.index(chosen[0])
        torch.cuda.set_device(place)
    else:
        chosen, place = take_gpus(visible, count, _HELD, known_gpus()), 0
        os.environ[VISIBLE] = ",".join(chosen)
    _TAKEN.append(Device(f"cuda:{place}", f"GPU {', '.join(chosen)} was free, and is held until this process ends"))
    return _TAKEN[0]


@cache
def _say(text: str) -> None:
    print(text, flush=True)


def take_gpus(
    visible: Sequence[str],
    count: int,
    held: contextlib.ExitStack,
    known: Mapping[str, Gpu],
    *,
    own: Sequence[str] = (),
    locks: Path | None = None,
) -> tuple[str, ...]:
    """Hold GPUs that no other process holds or computes on, those with the least memory in use first.

    Args:
        visible: identifiers to choose from.
        held: keeps their locks.
        known: what the driver says, by number and by UUID; of one that is not in it (a part of a GPU) its lock decides alone.
        own: GPUs that this process computes on already, whatever the driver says of them.
        locks: folder of the locks; by default the one that jobs use.

    Returns:
        Their identifiers.

    Raises:
        ConfigError: too few are free; says of each what it is used for.
    """
    busy = {gpu: known[gpu].occupied for gpu in visible if gpu in known and gpu not in own and known[gpu].occupied}
    free = [gpu for gpu in visible if gpu not in busy]
    free.sort(key=lambda gpu: (gpu not in own, known[gpu].used if gpu in known else 0))
    chosen, elsewhere = hold_gpus(free, count, held, locks) if len(free) >= count else ((), {})
    if chosen:
        return chosen
    reasons = {**busy, **{gpu: f"held by {holder}" for gpu, holder in elsewhere.items()}}
    listed = "; ".join(f"{gpu}: {reasons.get(gpu, 'free')}" for gpu in visible)
    raise ConfigError(
        found=f"{len(visible)} visible GPUs ({listed})",
        expected=f"{count} that no other process uses",
        where=socket.gethostname(),
        remedy=f"wait until one is free; {VISIBLE}= computes on the CPU; {GRANTED}={visible[0]} with {VISIBLE}={visible[0]} "
        "shares a GPU that others use",
    )


def known_gpus() -> dict[str, Gpu]:
    """What NVIDIA's driver says of every GPU, by its number and by its UUID; empty without an answer."""
    gpus = _asked("gpu", "index,uuid,memory.used,memory.total")
    programs: dict[str, list[int]] = {}
    for row in _asked("compute-apps", "gpu_uuid,pid"):
        with contextlib.suppress(ValueError, IndexError):
            programs.setdefault(row[0], []).append(int(row[1]))
    found = {}
    for row in gpus:
        with contextlib.suppress(ValueError):  # a field that a card does not have reads [N/A]
            number, uuid, used, total = row[0], row[1], int(row[2]), int(row[3])
            others = tuple(pid for pid in programs.get(uuid, []) if pid != os.getpid())
            found[number] = found[uuid] = Gpu(used, total, others)
    return found


def _asked(what: str, fields: str) -> list[list[str]]:
    if shutil.which("nvidia-smi") is None:
        return []
    question = ["nvidia-smi", f"--query-{what}={fields}", "--format=csv,noheader,nounits"]
    answer = subprocess.run(question, capture_output=True, text=True, check=False)
    rows = [[field.strip() for field in line.split(",")] for line in answer.stdout.splitlines()]
    return [row for row in rows if len(row) == fields.count(",") + 1] if answer.returncode == 0 else []
