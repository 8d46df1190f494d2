"""One SLURM and two runs on it at once, for all tests here: the real rules, and rules that show what these cannot."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from quick_run import QUICK, ROOT, Run
from slurm_cluster import BUCKETS, TARGETS, UNAVAILABLE, Controller, Submitted, slurm, submitted, wait_for


@dataclass(frozen=True)
class Outcome:
    """What two runs left behind.

    Attributes:
        real, small: folders of the runs of the real Snakefile and of the one beside this file.
        jobs, small_jobs: what they submitted.
        left: what the killed controller of the real run left in the queue.
        resumed: what the real run submitted after that.
    """

    real: Path
    small: Path
    jobs: list[Submitted]
    small_jobs: list[Submitted]
    left: list[Submitted]
    resumed: list[Submitted]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[None]:
    """A SLURM on this machine; one at a time, since its ports and its configuration are the machine's."""
    folder = tmp_path_factory.mktemp("slurm")
    with open("/tmp/alignment-anatomy-test-slurm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            done = slurm("start", folder)
            if done.returncode == UNAVAILABLE:
                pytest.skip(done.stdout.strip())
            assert done.returncode == 0, done.stdout + done.stderr
            yield
        finally:
            slurm("stop", folder)


@pytest.fixture(scope="session")
def outcome(cluster, finished: Run, tmp_path_factory) -> Outcome:
    """Both runs, side by side: each mostly waits.

    The real one extracts, localises and generates for one grown model, in two buckets where the finished run had one. Its first
    job is cancelled while it runs; its controller is killed during the second, and started again with the same command.
    """
    folder = tmp_path_factory.mktemp("cluster")
    spread = folder / "spread.yaml"
    spread.write_text(f"serving: {{buckets: {BUCKETS}}}\n")
    real = Controller(folder / "real", ROOT / "Snakefile", "real", (QUICK, spread))
    small = Controller(folder / "small", Path(__file__).parent / "Snakefile", "small")
    for name in ("organism", "models", "answers/aligned.s0"):
        shutil.copytree(finished.results / name, real.folder / "results" / name)
    small.folder.mkdir()
    running = [small.start("all"), real.start(*TARGETS)]
    try:
        first = wait_for(lambda: of_rule("extract", "RUNNING"), running[1])
        subprocess.run(["scancel", str(first.number)], check=True)
        wait_for(lambda: of_rule("screen", "RUNNING"), running[1])
        os.killpg(running[1].pid, signal.SIGKILL)
        running[1].wait()
        before = submitted("real")
        running[1] = real.start(*TARGETS)  # the same command, and nothing else
        real.finish(running[1])
        small.finish(running[0])
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    jobs = submitted("real")
    known = {job.number: job.state for job in before}
    left = [job for job in jobs if known.get(job.number) in ("RUNNING", "PENDING")]
    return Outcome(real.folder, small.folder, jobs, submitted("small"), left, [job for job in jobs if job.number not in known])


def of_rule(rule: str, state: str) -> Submitted | None:
    return next((job for job in submitted("real") if job.rule == rule and job.state == state), None)
