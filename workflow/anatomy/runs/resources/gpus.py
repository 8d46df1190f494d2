"""One machine, several GPUs: each job takes GPUs of its own, where no scheduler hands them out.

Snakemake counts GPUs (``--resources gpu=4``) but does not say which. Here a job holds one lock file a GPU for as long as it
lives. The kernel gives a lock back when its holder dies, however it dies; workers that a killed job left behind keep it until
they too are gone, as they keep the GPU's memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from anatomy.errors import ConfigError
from anatomy.store.locks import FOLDER as ALL_LOCKS
from anatomy.store.locks import own_folder, try_lock

POLL_SECONDS = 1.0
VISIBLE = "CUDA_VISIBLE_DEVICES"
FOLDER = "ANATOMY_GPU_LOCKS"
"""Environment variable: a folder for the locks, on a local disk; without it that of all locks, or the user's own in ``/tmp``."""


@contextlib.contextmanager
def granted_gpus(
    count: int | None, say: Callable[[str], None] = print, *, locks: Path | None = None
) -> Iterator[tuple[str, ...]]:
    """Hold GPUs, and show this process those and no others.

    Chooses among the GPUs in ``CUDA_VISIBLE_DEVICES``, or among all where it is not set; waits while too few are free. A job
    that asks for none is shown none. In a SLURM job that was given as many as it asks for, or asks for none, nothing is
    touched: the scheduler has decided. In a larger allocation, jobs choose among its GPUs as on a machine of their own.

    Args:
        count: GPUs wanted; None leaves everything as it is (packages for a CPU).
        say: told once if there is a wait.
        locks: folder of the lock files; by default the user's own on this host, or that of the SLURM job.

    Yields:
        The identifiers of the GPUs granted, as CUDA takes them.

    Raises:
        ConfigError: fewer GPUs are visible than wanted.
        StoreError: the folder of locks belongs to someone else, cannot be written, or lies on a disk without locks.
    """
    if count is None:
        yield ()
        return
    visible = visible_gpus()
    if os.environ.get("SLURM_JOB_ID") and count in (0, len(visible)):
        yield tuple(visible) if VISIBLE in os.environ else ()
        return
    if count > len(visible):
        raise ConfigError(
            found=f"{len(visible)} visible GPUs ({', '.join(visible) or 'none'})",
            expected=f"{count}",
            where=socket.gethostname(),
            remedy=f"ask for fewer (resources.rules, or --set-resources RULE:gpu={len(visible)}), or mend {VISIBLE}",
        )
    before = os.environ.get(VISIBLE)
    with contextlib.ExitStack() as held:
        chosen = _hold(visible, count, locks or _own_folder(), held, say)
        os.environ[VISIBLE] = ",".join(chosen)
        try:
            yield chosen
        finally:
            del os.environ[VISIBLE]
            if before is not None:
                os.environ[VISIBLE] = before


def visible_gpus() -> list[str]:
    """GPUs that this process may use, by the identifiers that CUDA takes (numbers or UUIDs)."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")] if listed.returncode == 0 else []
    return [str(number) for number in range(len(found))]


def _hold(
    visible: list[str], count: int, folder: Path, held: contextlib.ExitStack, say: Callable[[str], None]
) -> tuple[str, ...]:
    """All or none at a time and one chooser at a time, so that no two jobs hold what the other waits for."""
    announced = False
    while count:
        with contextlib.ExitStack() as tried, try_lock(folder / "choosing", wait=True, moved=False):
            free = []
            for gpu in visible:
                if (lock := try_lock(folder / f"{gpu.replace('/', '_')}.lock", moved=False)) is not None:
                    tried.enter_context(lock).sign()
                    free.append(gpu)
                if len(free) == count:
                    held.enter_context(tried.pop_all())
                    return tuple(free)
        if not announced:
            say(f"waiting for {count} of {len(visible)} GPUs, held by other jobs (see {folder})")
            announced = True
        time.sleep(POLL_SECONDS)
    return ()


def _own_folder() -> Path:
    """The folder of this user's locks on this host. Within a SLURM job its own: two jobs' GPU 0 may be different ones."""
    root = Path(os.environ.get(FOLDER) or os.path.join(os.environ.get(ALL_LOCKS) or "/tmp", f"alignment-anatomy-{os.getuid()}"))
    return own_folder(
        own_folder(root, FOLDER) / "-".join(filter(None, ("gpus", socket.gethostname(), os.environ.get("SLURM_JOB_ID")))), FOLDER
    )
