"""A checkout of its own in any folder, with the environment of these tests behind a link, so that nothing is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
CHOSEN = os.environ.get("ANATOMY_SET", "cpu")
WORLD = "organism/s0/world.json"
"""The file of the quickest job that is a ``script:``."""


def load_bootstrap() -> ModuleType:
    """``envs/bootstrap.py`` as a module."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", ROOT / "envs" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def link_environment(folder: Path) -> None:
    """Put the environment of these tests where ``bootstrap`` looks for one among the environments of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / load_bootstrap().environment_folder(CHOSEN).name).symlink_to(sys.prefix, target_is_directory=True)


def copy_checkout(folder: Path) -> Path:
    """A copy of what a run reads."""
    folder.mkdir(parents=True)
    for name in ("Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc"))
    link_environment(folder / ".env")
    return folder


def call(
    checkout: Path,
    *command: str,
    cwd: Path | None = None,
    prefix: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    **variables: str,
) -> subprocess.CompletedProcess:
    """``python3 envs/bootstrap.py command`` of a checkout.

    Args:
        cwd: where the caller stands; the checkout where None.
        prefix: a program that starts it.
        without, variables: variables of this process that it does not get, and others that it does.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ANATOMY_ENVIRONMENTS", "PYTHONPATH", "SNAKEMAKE_PROFILE", *without)
    }
    return subprocess.run(
        [*prefix, sys.executable, str(checkout / "envs" / "bootstrap.py"), *command],
        cwd=cwd or checkout,
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "OMP_NUM_THREADS": "1", **variables},
    )


def make_world(checkout: Path, results: str = "results", **options) -> subprocess.CompletedProcess:
    """Let the real Snakemake run one real job."""
    mine = checkout / "config" / "mine.yaml"
    mine.write_text(json.dumps({"organism": {"recipe": "quick"}, "results": results}))
    return call(checkout, "snakemake", f"{results}/{WORLD}", "--cores", "1", "--configfile", str(mine), **options)
