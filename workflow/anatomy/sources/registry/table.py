"""What is known and what is here, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anatomy.config.data import Data
from anatomy.sources.registry.entry import Entry
from anatomy.sources.registry.location import files_here, missing_files

HEAD = ("data set", "here", "pinned", "gating", "rows", "licence")


def status_table(data: Data, entries: Mapping[str, Entry], benchmarks: Path | None = None) -> str:
    """One line a set: whether its files are here, whether its source is fixed, what stands before it, its licence."""
    rows = [
        (name, here(data, name, entry, benchmarks), _pinned(entry), entry.gating, _rows(entry), entry.licence)
        for name, entry in entries.items()
    ]
    return aligned([HEAD, *rows])


def here(data: Data, name: str, entry: Entry, benchmarks: Path | None = None) -> str:
    """yes, no, how much of it, or by hand where the registry has no address."""
    if entry.benchmark and benchmarks is not None and (found := files_here(entry, benchmarks)):
        return "yes" if entry.benchmark.by is None else f"{len(found)} files"
    if not entry.files:
        return "by hand"
    left = len(missing_files(data, name, entry))
    return "yes" if not left else "no" if left == len(entry.files) else f"{len(entry.files) - left} of {len(entry.files)}"


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell; the last one runs free."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows
    )


def _pinned(entry: Entry) -> str:
    checked = sum(bool(file.sha256 or file.git_blob) for file in entry.files)
    if not entry.pinned:
        return "no"
    return "commit" if not checked else "bytes" if checked == len(entry.files) else "part"


def _rows(entry: Entry) -> str:
    total = entry.rows or (sum(file.rows or 0 for file in entry.files) if all(file.rows for file in entry.files) else 0)
    return str(total) if total else "?"
