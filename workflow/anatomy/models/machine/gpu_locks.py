"""GPUs of this machine that processes of one user share: a lock file a GPU, held for as long as its holder lives.

The kernel gives a lock back when its holder dies, however it dies; workers that a killed job left behind keep it until they too
are gone, as they keep the GPU's memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from anatomy.store.locks import FOLDER as ALL_LOCKS
from anatomy.store.locks import own_folder, try_lock

POLL_SECONDS = 1.0
VISIBLE = "CUDA_VISIBLE_DEVICES"
FOLDER = "ANATOMY_GPU_LOCKS"
"""Environment variable: a folder for the locks, on a local disk; without it that of all locks, or the user's own in ``/tmp``."""
GRANTED = "ANATOMY_GPUS_GRANTED"
"""Environment variable: the GPUs that this process and its children were given, as ``CUDA_VISIBLE_DEVICES`` names them; empty for
none. Set for the length of a job; set by hand, it lets a program share a GPU that others use."""
ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""The driver numbers GPUs by their place on the bus, CUDA by default by their speed. Locks and what the driver says of a GPU are
for one and the same GPU only where both count alike."""
NO_DEVICES = ("", "-1", "NoDevFiles")
"""Values of ``CUDA_VISIBLE_DEVICES`` that say: no GPU for this process."""


def visible_gpus() -> list[str]:
    """GPUs that this process may use, by the identifiers that CUDA takes (numbers or UUIDs)."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip() not in NO_DEVICES]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")] if listed.returncode == 0 else []
    return [str(number) for number in range(len(found))]


def granted() -> tuple[str, ...] | None:
    """The GPUs that this process was given; None where nobody hands out any, as in a notebook."""
    named = os.environ.get(GRANTED)
    return None if named is None else tuple(gpu for gpu in named.split(",") if gpu)


def hold_gpus(
    wanted: Sequence[str], count: int, held: contextlib.ExitStack, folder: Path | None = None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Take the locks of ``count`` GPUs, the first free ones; all or none, and one chooser at a time, so that no two processes
    hold what the other waits for.

    Args:
        wanted: GPUs to choose from, the best ones first.
        held: keeps the locks.
        folder: of the locks; by default the user's own on this host, or that of the SLURM job.

    Returns:
        The GPUs, none if too few are free; and those whose lock another process holds, with its name in words.

    Raises:
        StoreError: the folder of locks belongs to someone else, cannot be written, or lies on a disk without locks.
    """
    if count == 0:
        return (), {}
    folder = folder or lock_folder()
    free: list[str] = []
    elsewhere: dict[str, str] = {}
    choosing = try_lock(folder / "choosing", wait=True, moved=False)
    with contextlib.ExitStack() as tried, choosing or contextlib.nullcontext():
        for gpu in wanted:
            file = folder / f"{gpu.replace('/', '_')}.lock"
            if (lock := try_lock(file, moved=False)) is None:
                elsewhere[gpu] = _holder(file)
                continue
            tried.enter_context(lock).sign()
            free.append(gpu)
            if len(free) == count:
                held.enter_context(tried.pop_all())
                return tuple(free), elsewhere
    return (), elsewhere


def wait_for_gpus(
    wanted: Sequence[str], count: int, held: contextlib.ExitStack, say: Callable[[str], None], folder: Path | None = None
) -> tuple[str, ...]:
    """``hold_gpus`` until enough are free; ``say`` is told once if there is a wait."""
    announced = False
    while True:
        chosen, _ = hold_gpus(wanted, count, held, folder)
        if len(chosen) == count:
            return chosen
        if not announced:
            say(f"waiting for {count} of {len(wanted)} GPUs, held by other jobs (see {folder or lock_folder()})")
            announced = True
        time.sleep(POLL_SECONDS)


def _holder(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return f"process {json.loads(file.read_text(encoding='utf-8'))['pid']}"
    return "another process"


def lock_folder() -> Path:
    """The folder of this user's locks on this host. Within a SLURM job its own: two jobs' GPU 0 may be different ones."""
    root = Path(os.environ.get(FOLDER) or os.path.join(os.environ.get(ALL_LOCKS) or "/tmp", f"alignment-anatomy-{os.getuid()}"))
    return own_folder(
        own_folder(root, FOLDER) / "-".join(filter(None, ("gpus", socket.gethostname(), os.environ.get("SLURM_JOB_ID")))), FOLDER
    )
