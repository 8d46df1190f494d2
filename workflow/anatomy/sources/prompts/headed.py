"""Rows of cells below a header, whatever they were read from: what a spreadsheet shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from anatomy.errors import DataError

Row = tuple[str, dict[str, Any]]  # ("line 3", {"prompt": ...})

INVISIBLE = "\ufeff\u200b"


def headed_rows(records: Iterable[tuple[str, Sequence[Any]]], path: Path, remedy: str) -> tuple[list[Row], list[str]]:
    """Rows by the names that the first record gives their cells, and what a reader should know of how they were read.

    Rows in which every cell is empty and columns without a name are left out.

    Args:
        records: each with its place in words.
        remedy: what to do with a row whose cells are not as many as the header's.

    Raises:
        DataError: rows longer or shorter than the header, or repeated names.
    """
    header: list[str] | None = None
    found: list[Row] = []
    empty = waiting = 0
    for place, fields in records:
        if all(map(blank, fields)):
            waiting += bool(header)
        elif header is None:
            header = _header(fields, path, place)
        else:
            empty, waiting = empty + waiting, 0
            found.append((place, _row(header, fields, path, place, remedy)))
    return found, [f"{empty} empty rows between others left out"] if empty else []


def shown(cell: Any) -> str:
    """What a cell shows."""
    return str(cell).strip().strip(INVISIBLE).strip()


def blank(cell: Any) -> bool:
    """Whether a cell shows nothing."""
    return not shown(cell)


def _header(fields: Sequence[Any], path: Path, place: str) -> list[str]:
    header = [shown(name) for name in fields]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(
            found=f"repeated column names {twice}",
            expected="each column named once",
            where=f"{path}, {place}",
            remedy="rename or remove one of them",
        )
    return header


def _row(header: list[str], fields: Sequence[Any], path: Path, place: str, remedy: str) -> dict[str, Any]:
    needed = max(number for number, name in enumerate(header, start=1) if name)
    if not all(map(blank, fields[len(header) :])) or len(fields) < needed:
        raise DataError(
            found=f"{len(fields)} fields",
            expected=f"{len(header)} fields, as in the header",
            where=f"{path}, {place}",
            remedy=remedy,
        )
    return {name: cell for name, cell in zip(header, fields, strict=False) if name}
