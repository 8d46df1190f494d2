"""A job's named inputs, however many files a name has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Named(Protocol):
    """Something with ``items()``: names, and one path or several."""

    def items(self) -> Iterable[tuple[str, str | Iterable[str]]]: ...


def named_files(inputs: Named) -> dict[str, list[Path]]:
    """Every name with its list of paths; names of empty lists are kept."""
    return {name: [Path(files)] if isinstance(files, str) else [Path(file) for file in files] for name, files in inputs.items()}
