"""One machine, several GPUs: each job takes GPUs of its own, where no scheduler hands them out.

Snakemake counts GPUs (``--resources gpu=4``) but does not say which. Here a job holds one lock file a GPU for as long as it
lives (``anatomy.models.machine.gpu_locks``).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from anatomy.errors import ConfigError
from anatomy.models.machine.gpu_locks import GRANTED, ORDER, VISIBLE, visible_gpus, wait_for_gpus


@contextlib.contextmanager
def granted_gpus(
    count: int | None, say: Callable[[str], None] = print, *, locks: Path | None = None
) -> Iterator[tuple[str, ...]]:
    """Hold GPUs, and show this process those and no others.

    Chooses among the GPUs in ``CUDA_VISIBLE_DEVICES``, or among all where it is not set; waits while too few are free. A job
    that asks for none is shown none. In a SLURM job that was given as many as it asks for, or asks for none, nothing is
    hidden: the scheduler has decided. In a larger allocation, jobs choose among its GPUs as on a machine of their own.

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
        given = tuple(visible) if VISIBLE in os.environ else ()
        with _set({GRANTED: ",".join(given)}):
            yield given
        return
    if count > len(visible):
        raise ConfigError(
            found=f"{len(visible)} visible GPUs ({', '.join(visible) or 'none'})",
            expected=f"{count}",
            where=socket.gethostname(),
            remedy=f"ask for fewer (resources.rules, or --set-resources RULE:gpu={len(visible)}), or mend {VISIBLE}",
        )
    with contextlib.ExitStack() as held:
        chosen = wait_for_gpus(visible, count, held, say, locks) if count else ()
        order = {name: os.environ.get(name, value) for name, value in ORDER.items()}
        with _set({**order, VISIBLE: ",".join(chosen), GRANTED: ",".join(chosen)}):
            yield chosen


@contextlib.contextmanager
def _set(variables: dict[str, str]) -> Iterator[None]:
    """Environment variables for the length of a job."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
