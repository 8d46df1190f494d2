"""Kills a run at seeded random moments until it has had enough, always giving the same command again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from quick_run import environment

from anatomy.runs.controller.hold import read_record
from anatomy.runs.controller.orphans import find_processes

VICTIMS = ("controller", "worker", "everything")
"""The controller alone, so that its jobs live on as orphans; a process that computes (jobs hold their engine); the whole run."""

LONGEST = 1800.0
"""Seconds that an undisturbed call may take."""


@dataclass
class Damage:
    """What was done to a run."""

    kills: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    output: list[str] = field(default_factory=list)


def kill_until_done(command: list[str], results: Path, seed: int, kills: int, moments: tuple[float, float]) -> Damage:
    """Call a command until it ends well, killing a part of it at random moments while kills are left.

    Args:
        command: Snakemake's call; the same each time.
        seed: of moments and victims.
        moments: seconds after a call has taken hold of its results, drawn evenly between these two. What Python takes to
            start differs fivefold between machines, and there is nothing to lose before.

    Raises:
        AssertionError: a call that nobody disturbed failed.
    """
    draw = random.Random(seed)
    damage = Damage()
    while True:
        left = kills - damage.kills.total()
        victim = VICTIMS[damage.kills.total() % len(VICTIMS)]
        damage.calls += 1
        with tempfile.TemporaryFile("w+") as said:  # orphans would keep a pipe open
            process = subprocess.Popen(command, stdout=said, stderr=said, env=environment(), start_new_session=True)
            if left:
                _wait_for_hold(process, results)
            _wait(process, draw.uniform(*moments) if left else LONGEST)
            killed = process.poll() is None and kill(victim, process, results)
            damage.kills[victim] += killed
            _wait(process, LONGEST)
            said.seek(0)
            text = said.read()
        damage.output.append(text)
        if not killed:
            assert process.returncode == 0, text[-6000:]
            return damage


def kill(victim: str, controller: subprocess.Popen, results: Path) -> bool:
    """SIGKILL; False where there is nobody of that kind at this moment."""
    run = read_record(results)
    jobs = [pid for pid in find_processes(run.id) if _is_python(pid)] if run is not None and run.pid == controller.pid else []
    if victim == "worker":
        if jobs:
            os.kill(jobs[-1], signal.SIGKILL)
        return bool(jobs)
    if victim == "everything":
        os.killpg(controller.pid, signal.SIGKILL)
    else:
        controller.kill()
    return True


def _is_python(pid: int) -> bool:
    try:
        return "python" in os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False


def _wait_for_hold(process: subprocess.Popen, results: Path) -> None:
    """Until the process holds its results, or has ended."""
    until = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < until:
        run = read_record(results)
        if run is not None and run.pid == process.pid:
            return
        time.sleep(0.05)


def _wait(process: subprocess.Popen, seconds: float) -> None:
    """Until the process ends or the time is over."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def stored_items(results: Path) -> pd.DataFrame:
    """Every row in the store: cell and item."""
    shards = [
        pd.read_parquet(path, columns=["item"]).assign(cell=path.parent.name)
        for path in sorted((results / "store").glob("*/*/*.parquet"))
    ]
    return pd.concat(shards, ignore_index=True)
