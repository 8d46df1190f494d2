"""Looking after the store: is it sound, what does nobody need any more, how big is it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.store.cell import matches, set_aside
from anatomy.store.files import read_json


@dataclass(frozen=True)
class Soundness:
    """What ``verify`` saw."""

    cells: int
    shards: int
    damaged: list[str]


def verify(root: Path) -> Soundness:
    """Read every shard and compare it with its name; damaged ones are set aside, and their rows count as missing."""
    cells, shards, damaged = 0, 0, []
    for cell in sorted(root.glob("*/*/cell.json")):
        cells += 1
        for path in sorted(cell.parent.glob("*.parquet")):
            shards += 1
            if not matches(path, path.read_bytes()):
                set_aside(path)
                damaged.append(str(path.relative_to(root)))
    return Soundness(cells, shards, damaged)


def unreferenced(root: Path, results: Path) -> list[Path]:
    """Cells that no assembled table under ``results`` names any more."""
    kept: set[str] = set()
    for listing in results.rglob("*.cells.json"):
        kept.update(read_json(listing))
    return [
        cell.parent for cell in sorted(root.glob("*/*/cell.json")) if f"{cell.parent.parent.name}/{cell.parent.name}" not in kept
    ]


def collect_garbage(root: Path, results: Path, remove: bool) -> pd.DataFrame:
    """List, and where asked remove, the cells that nothing names; columns ``stage, cell, bytes, removed``."""
    rows = []
    for folder in unreferenced(root, results):
        rows.append({"stage": folder.parent.name, "cell": folder.name, "bytes": size(folder), "removed": remove})
        if remove:
            shutil.rmtree(folder)
    return pd.DataFrame(rows, columns=["stage", "cell", "bytes", "removed"])


def size(folder: Path) -> int:
    """Bytes under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
