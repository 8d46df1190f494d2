"""Make one result again in a fresh folder, from raw prompt pairs, through the workflow itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from anatomy.config.places import PATHS
from anatomy.errors import ConfigError, StoreError
from anatomy.runs.provenance.chain import chain
from anatomy.runs.provenance.comparison import Comparison, compare, graded, read_values
from anatomy.runs.provenance.names import CONFIGURATION, name_in_run, run_folder
from anatomy.runs.provenance.record import FOLDER, Record
from anatomy.store.files import read_json, write_json, write_text
from anatomy.store.json_objects import JsonObject

SNAKEFILE = Path(__file__).resolve().parents[4] / "Snakefile"


def keep_configuration(results: Path, config: JsonObject) -> None:
    """Put the whole configuration of a run on record when it starts."""
    path = results / FOLDER / CONFIGURATION
    if not path.exists() or read_json(path) != config:
        write_json(path, config)


def reproduce(file: str, results: Path, fresh: Path, *, relative: float, absolute: float, cores: int) -> Comparison:
    """Make ``file`` again under ``fresh`` and compare.

    Nothing of the stored run is used but its configuration: organisms are grown again, models of one's own and prompt files
    are read where they lie.

    Args:
        file: a figure or table of the run, relative to where the caller stands.
        results: the run's folder.
        fresh: an empty or new folder; a reproduction that was interrupted there goes on.
        relative, absolute: numbers agree within ``absolute + relative * |stored|``.
        cores: for Snakemake.

    Raises:
        StoreError: the file, its record or the run's configuration is not there.
        ConfigError: the fresh folder holds something else, or the workflow failed in it.
    """
    stored = chain(results, name_in_run(Path(file), results))
    config = read_json(results / FOLDER / CONFIGURATION)
    target = again_path(file, results)
    fresh.mkdir(parents=True, exist_ok=True)
    mark = fresh / "reproduction.yaml"
    if any(fresh.iterdir()) and not mark.exists():
        raise ConfigError(found="files that no reproduction made", expected="an empty or new folder", where=str(fresh))
    write_text(mark, yaml.safe_dump(absolute_paths(config, run_folder(results)) | {"results": "results"}))
    run(fresh, mark, target, cores)
    again = chain_in(fresh, target)
    return graded(compare(read_values(Path(file)), read_values(fresh / target), relative, absolute), stored, again)


def again_path(file: str, results: Path) -> str:
    """Where the file lies in the fresh folder."""
    try:
        return str(Path("results") / Path(file).resolve().relative_to(Path(results).resolve()))
    except ValueError as error:
        raise StoreError(found=file, expected=f"a file under {results}", where="the file to make again") from error


def absolute_paths(value: Any, folder: Path, key: str = "") -> Any:
    """A configuration whose relative paths to existing files and folders are absolute, so that it holds elsewhere.

    A bare word such as ``model`` is a path only under an option that holds one: a kind may be called like a folder.
    """
    if isinstance(value, dict):
        return {name: absolute_paths(part, folder, str(name)) for name, part in value.items()}
    if isinstance(value, list):
        return [absolute_paths(part, folder) for part in value]
    if isinstance(value, str) and (key in PATHS or "/" in value or "." in value) and (folder / value).exists():
        return str((folder / value).resolve())
    return value


def run(fresh: Path, config: Path, target: str, cores: int) -> None:
    """Call the workflow in the fresh folder."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            target,
            "--snakefile",
            str(SNAKEFILE),
            "--directory",
            str(fresh),
            "--cores",
            str(cores),
            "--rerun-incomplete",
            "--configfile",
            str(config.resolve()),
        ],
        check=False,
        env={**os.environ},
    )
    if done.returncode:
        raise ConfigError(
            found=f"Snakemake ended with {done.returncode}",
            expected="a finished run",
            where=str(fresh),
            remedy="mend what it names above and call again: finished work is kept",
        )


def chain_in(fresh: Path, target: str) -> list[Record]:
    """The records behind the file made again."""
    return chain(fresh / "results", target)
