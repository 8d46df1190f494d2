"""Which options hold paths, and what a path of a command line is in the folder of a run.

Paths in a configuration file are relative to the folder that Snakemake works in: the checkout, or what ``--directory`` names.
Paths on a command line are relative to where its caller stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anatomy.store.json_objects import JsonObject

PATHS = ("results", "folder", "file", "data", "published", "mirror", "registry", "to", "adapter", "gguf")
"""Options that hold a path wherever they stand."""

OF_PATHS = ("split_files",)
"""Options whose values all are paths."""

PERHAPS = ("scorer", "reference", "judge")
"""Options that hold a folder or an id."""


def seen_from(given: JsonObject, here: Path, run: Path) -> JsonObject:
    """Options of a command line, with their paths as the run has to write them.

    Args:
        given: options as they were typed, without defaults.
        here: folder that the caller stands in.
        run: folder of the run.
    """
    return {str(key): _seen(value, str(key), here, run) for key, value in given.items()}


def _seen(value: Any, key: str, here: Path, run: Path) -> Any:
    if isinstance(value, dict):
        if key in OF_PATHS:
            return {name: _placed(part, here, run) for name, part in value.items()}
        return seen_from(value, here, run)
    if key == "recipes" and isinstance(value, list):
        return [_of_a_paper(one, here, run) if isinstance(one, str) and "/" in one else one for one in value]
    if key in PATHS or (key in PERHAPS and isinstance(value, str) and (here / value).exists()):
        return _placed(value, here, run)
    return value


def _of_a_paper(folder: str, here: Path, run: Path) -> str:
    """The folder of a paper of one's own, which a slash tells from a name."""
    path = placed(str(Path(folder).expanduser()), here, run)
    return path if "/" in path else f"./{path}"


def _placed(value: Any, here: Path, run: Path) -> Any:
    return placed(value, here, run) if isinstance(value, str) and value else value


def paths_in(options: JsonObject, above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values of all options that hold a path, or may hold one."""
    for key, value in options.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            whole = [(f"{name}.{part}", path) for part, path in value.items()] if key in OF_PATHS else paths_in(value, f"{name}.")
            yield from whole
        elif isinstance(value, str) and key in (*PATHS, *PERHAPS):
            yield name, value


def placed(path: str, here: Path, run: Path) -> str:
    """A path relative to ``here``, as it is written in ``run``: relative to it inside of it, absolute elsewhere."""
    whole = Path(os.path.normpath(Path(here) / path))
    return str(whole.relative_to(run)) if whole.is_relative_to(run) else str(whole)
