"""A folder of results and Snakemake to be called on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUICK = ROOT / "config" / "quick.yaml"


@dataclass(frozen=True)
class Run:
    """A folder with results, and Snakemake to be called on it."""

    folder: Path
    snakefile: Path = ROOT / "Snakefile"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *arguments: str, configs: tuple[Path, ...] = ()) -> list[str]:
        return [
            sys.executable,
            "-m",
            "snakemake",
            *arguments,
            "--snakefile",
            str(self.snakefile),
            "--directory",
            str(self.folder),
            "--cores",
            "2",
            "--configfile",
            *map(str, (QUICK, *configs)),
        ]

    def call(self, *arguments: str, configs: tuple[Path, ...] = (), check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            self.command(*arguments, configs=configs), capture_output=True, text=True, check=False, env=environment()
        )
        if check and done.returncode:
            raise AssertionError(f"snakemake {' '.join(arguments)} failed\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        return done

    def copy(self, folder: Path) -> Run:
        """The same results elsewhere, with times and metadata, to be damaged freely."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Run(folder, self.snakefile)


SECRET = "hf_a_token_that_no_file_may_hold"


def environment() -> dict[str, str]:
    """As a user who is logged in to the hub would have it."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_TOKEN": SECRET}
