"""One machine, several GPUs: each job takes GPUs of its own, where no scheduler hands them out.

Snakemake counts GPUs (``--resources gpu=4``) but does not say which. Here a job holds one lock file a GPU for as long as it
lives. The kernel gives a lock back when its holder dies, however it dies; workers that a killed job left behind keep it until
they too are gone, as they keep the GPU's memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from anatomy.errors import ConfigError

POLL_SECONDS = 1.0
VISIBLE = "CUDA_VISIBLE_DEVICES"
FOLDER = "ANATOMY_GPU_LOCKS"
"""Environment variable: a folder for the locks other than the user's own under ``/tmp``. It must be on a local disk."""


@contextlib.contextmanager
def granted_gpus(count: int | None, say: Callable[[str], None] = print, *,
                 locks: Path | None = None) -> Iterator[tuple[str, ...]]:
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
        ConfigError: fewer GPUs are visible than wanted, or the folder of locks belongs to someone else.
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
            found=f"{len(visible)} visible GPUs ({', '.join(visible) or 'none'})", expected=f"{count}",
            where=socket.gethostname(),
            remedy=f"ask for fewer (resources.rules, or --set-resources RULE:gpu={len(visible)}), or mend {VISIBLE}",
        )  # fmt: skip
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


def _hold(visible: list[str], count: int, folder: Path, held: contextlib.ExitStack,
          say: Callable[[str], None]) -> tuple[str, ...]:
    """All or none at a time and one chooser at a time, so that no two jobs hold what the other waits for."""
    announced = False
    while count:
        with contextlib.ExitStack() as tried, open(folder / "choosing", "a") as choosing:
            fcntl.flock(choosing, fcntl.LOCK_EX)
            free = []
            for gpu in visible:
                if (file := _try(folder / f"{gpu.replace('/', '_')}.lock")) is not None:
                    tried.enter_context(file)
                    free.append(gpu)
                if len(free) == count:
                    held.enter_context(tried.pop_all())
                    return tuple(free)
        if not announced:
            say(f"waiting for {count} of {len(visible)} GPUs, held by other jobs (see {folder})")
            announced = True
        time.sleep(POLL_SECONDS)
    return ()


def _try(path: Path) -> TextIO | None:
    """The open lock file, which says who holds it; None if another process does."""
    file = open(path, "a+")  # noqa: SIM115 - closing gives the lock back, which is the caller's to decide
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    file.flush()
    return file


def _own_folder() -> Path:
    """The folder of this user's locks on this host. Within a SLURM job its own: two jobs' GPU 0 may be different ones."""
    root = Path(os.environ.get(FOLDER, f"/tmp/alignment-anatomy-{os.getuid()}"))
    folder = root / "-".join(filter(None, ("gpus", socket.gethostname(), os.environ.get("SLURM_JOB_ID"))))
    for path in (root, folder):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.stat().st_uid != os.getuid() or path.stat().st_mode & stat.S_IWOTH for path in (root, folder)):
        raise ConfigError(found=f"{root}, which someone else owns or can write", expected="a folder of your own",
                          where="the locks of GPUs", remedy=f"remove it, or name another in {FOLDER}")
    return folder
