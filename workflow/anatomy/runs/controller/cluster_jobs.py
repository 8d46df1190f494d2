"""Cluster jobs that a killed run left in the queue, found by name and working folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from anatomy.errors import StoreError

PREFIX = "anatomy"
"""What the names of the workflow's cluster jobs begin with, unless the profile says otherwise (``slurm-jobname-prefix``)."""

WAIT_SECONDS = 300.0


def job_prefix(run: str, prefix: str = PREFIX) -> str:
    """The beginning of the names of one run's jobs; the prefix may be the user's own."""
    return f"{prefix}-{run}"


def find_jobs(run: str, workdir: str) -> list[str]:
    """Ids of this user's jobs, waiting or running, that a run submitted.

    Both must fit: the name, which carries the run's id, and the folder it was submitted from.

    Raises:
        StoreError: the queue does not answer.
    """
    listed = _call("squeue", "--noheader", "--me", "--format", "%i|%j|%Z")
    rows = (line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2)
    return [job.strip() for job, name, folder in rows if f"-{run}" in name and Path(folder.strip()) == Path(workdir)]


def cancel_jobs(run: str, workdir: str, submitted: bool, wait: float = WAIT_SECONDS, poll: float = 1.0) -> int:
    """Cancel a run's jobs and wait until the queue no longer knows them; returns how many there were.

    Args:
        submitted: whether the run sent jobs to a cluster. Without a queue at hand, a run that did must not be gone on with.

    Raises:
        StoreError: the queue is not at hand or does not answer, or jobs stay in it.
    """
    if not submitted:
        return 0
    if shutil.which("squeue") is None:
        raise StoreError(
            found="a killed run that had submitted cluster jobs, and no squeue here",
            expected="a machine that reaches the queue, so that its jobs can be ended first",
            where=workdir,
            remedy="give the same command on the cluster's login node",
        )
    jobs = find_jobs(run, workdir)
    if jobs:
        _call("scancel", *jobs)
    deadline = time.monotonic() + wait
    while left := find_jobs(run, workdir):
        if time.monotonic() > deadline:
            raise StoreError(
                found=f"cluster jobs {', '.join(left)} that do not end",
                expected="none of the killed run's",
                where=workdir,
                remedy="see `squeue --me`; when they are gone, give the same command again",
            )
        time.sleep(poll)
    return len(jobs)


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(
            found=f"{command[0]}: {done.stderr.strip()}",
            expected="an answer of the queue",
            where=command[0],
            remedy="when the queue answers again, give the same command again",
        )
    return done.stdout
