"""What Snakemake calls a file of a run, wherever its reader stands and wherever the results have been moved."""

from __future__ import annotations

import os
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.runs.provenance.record import FOLDER
from anatomy.store.files import read_json

CONFIGURATION = "configuration.json"


def configured_results(results: Path) -> str | None:
    """The option ``results`` of the run that made them; None where it was not kept."""
    try:
        found = read_json(results / FOLDER / CONFIGURATION).get("results", "results")
    except (StoreError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def name_in_run(file: Path, results: Path) -> str:
    """A file's name in the records of its run.

    Args:
        file: relative to where its reader stands, or absolute.
        results: folder of the run's results, likewise.
    """
    written, whole, inside = configured_results(results), Path(os.path.abspath(file)), Path(os.path.abspath(results))
    if written is None or not whole.is_relative_to(inside):
        return str(file)
    return str(Path(written) / whole.relative_to(inside))


def run_folder(results: Path) -> Path:
    """The folder that the run worked in: the one in which its option ``results`` means these results.

    Absolute results say nothing of it; then it is the one where the reader stands.
    """
    parts, inside = Path(configured_results(results) or results).parts, Path(os.path.abspath(results))
    if Path(*parts).is_absolute() or inside.parts[-len(parts) :] != parts:
        return Path.cwd()
    return Path(*inside.parts[: -len(parts)])
