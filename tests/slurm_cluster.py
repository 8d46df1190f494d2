"""A SLURM on this machine and Snakemake submitting to it, through the project's own profile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quick_run import ROOT

SCRIPT = Path(__file__).parent / "cluster" / "slurm.sh"
UNAVAILABLE = 77
SUBJECT = "weak.s0"
BUCKETS = 2
TARGETS = [f"results/evaluate/{SUBJECT}/select.{bucket}.completions.parquet" for bucket in range(BUCKETS)]
PATIENCE = 150
"""Seconds that any one thing may take before the test fails; the machine may be busy."""


@dataclass(frozen=True)
class Submitted:
    """A job as ``scontrol`` remembers it."""

    number: int
    rule: str
    fields: dict[str, str]

    @property
    def state(self) -> str:
        return self.fields["JobState"]


def slurm(action: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", str(SCRIPT), action, str(folder)], capture_output=True, text=True, check=False)


def submitted(prefix: str) -> list[Submitted]:
    """All jobs of a run, by the prefix of their names, in the order of submission."""
    said = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=False).stdout
    found = []
    for line in said.splitlines():
        fields = dict(pair.split("=", 1) for pair in line.split(" ") if "=" in pair)
        if fields.get("JobName", "").startswith(prefix):
            rule = re.match(r"(?:rule_)?([a-z_]+?)(?:_wildcards_|$)", fields.get("Comment", ""))
            found.append(Submitted(int(fields["JobId"]), rule[1] if rule else fields.get("Comment", ""), fields))
    return sorted(found, key=lambda job: job.number)


def wait_for(what: Callable[[], object], process: subprocess.Popen | None = None) -> object:
    """Until something is true; fails where that takes too long or the process has ended before."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        ended = process is not None and process.poll() is not None
        if ended and not (found := what()):
            raise AssertionError(f"the run has ended: {Path(process.args[-1])}")
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing after {PATIENCE} s; jobs: {submitted('')}")
        time.sleep(0.3)
    return found


@dataclass(frozen=True)
class Controller:
    """Snakemake on the login node, which here is this machine."""

    folder: Path
    snakefile: Path
    prefix: str
    configs: tuple[Path, ...] = ()

    def start(self, *targets: str) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            *targets,
            "--profile",
            str(ROOT / "workflow" / "profiles" / "slurm"),
            "--snakefile",
            str(self.snakefile),
            "--directory",
            str(self.folder),
            "--slurm-jobname-prefix",
            self.prefix,
            # A short queue and a disk of one's own: look sooner than the profile does.
            "--slurm-init-seconds-before-status-checks",
            "5",
            "--latency-wait",
            "5",
            "--default-resources",
            "mem_mb=500",
            "runtime=5",
            "slurm_partition=cpu",
            *(["--configfile", *map(str, self.configs)] if self.configs else []),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        with open(self.log, "a") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    @property
    def log(self) -> Path:
        return self.folder / "controller.log"

    def finish(self, process: subprocess.Popen) -> None:
        status = process.wait(timeout=2 * PATIENCE)
        if status:
            raise AssertionError(f"snakemake ended with {status}\n{self.log.read_text()[-6000:]}")
