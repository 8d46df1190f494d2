"""Where copies of published data lie, and which are there. Imported by the Snakefile: nothing heavy here."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.data import Data
from anatomy.sources.benchmark_rows import SUFFIXES, find_split
from anatomy.sources.registry.entry import Entry, File


def local_path(data: Data, name: str, file: File) -> Path:
    """Where a file of a set lies, once it is here."""
    return Path(data.folder) / name / file.path


def missing_files(data: Data, name: str, entry: Entry) -> list[File]:
    """Files of a set that are not here."""
    return [file for file in entry.files if not local_path(data, name, file).is_file()]


def in_mirror(data: Data, name: str, file: File) -> Path | None:
    """The mirror's copy of a file: under its path in the repository, or its name alone."""
    if data.mirror is None:
        return None
    folder = Path(data.mirror) / name
    return next((path for path in (folder / file.path, folder / Path(file.path).name) if path.is_file()), None)


def files_here(entry: Entry, folder: Path, split: str | None = None, task: str = "") -> list[Path]:
    """Files of a benchmark under the folder of local copies, whoever put them there.

    Args:
        split: None takes the evaluated one.
        task: for a benchmark in parts (MMLU), ``mmlu_<subject>`` looks for that part alone.
    """
    split = split or entry.layout.evaluated
    place = folder / entry.layout.folder
    if entry.layout.by is None:
        return [path] if (path := find_split(place, split)) else []
    part = task.partition("_")[2] or "*"
    return sorted(
        path for suffix in SUFFIXES for path in (*place.glob(f"{part}_{split}{suffix}"), *place.glob(f"{part}/{split}{suffix}"))
    )
