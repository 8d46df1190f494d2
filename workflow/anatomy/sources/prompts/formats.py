"""Rows of a prompt file, each with the place it came from, whatever the format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from anatomy.errors import DataError, parsing
from anatomy.sources.prompts.delimited import delimited_rows
from anatomy.sources.prompts.encoding import decoded
from anatomy.sources.prompts.headed import Row
from anatomy.sources.prompts.json_rows import LINE_ENDS, json_lines, json_rows
from anatomy.sources.prompts.workbook import KINDS, workbook_rows

REFUSED = {
    ".numbers": "export the sheet as CSV or as a workbook of Excel",
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst"), "unpack it"),
}
"""What to do with the files that people have instead."""


@dataclass(frozen=True)
class PromptFile:
    """A file that was read: its rows, and what its reader should be told of how they were read."""

    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def read_file(path: Path) -> PromptFile:
    """Read a CSV, TSV, JSONL, JSON or Parquet file, a workbook, or a TXT file with a prompt a line, into rows with their places.

    Raises:
        DataError: the file is missing, of an unknown kind, in an unknown encoding, or malformed (with the line or row).
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise DataError(found=found, expected="a prompt file", where=str(path), remedy="check the path")
    kind = path.suffix.lower()
    if kind not in READERS:
        raise DataError(
            found=f"extension {kind!r}" if kind else "a name without an extension",
            expected=f"one of {', '.join(READERS)}",
            where=str(path),
            remedy=REFUSED.get(kind, "convert it, or rename it after what it holds"),
        )
    with parsing(DataError, str(path), f"a readable {kind} file", remedy="mend or convert it"):
        return READERS[kind](path)


def read_rows(path: Path) -> list[Row]:
    """Rows of a file; see ``read_file``."""
    return read_file(path).rows


def _delimited(separator: str) -> Callable[[Path], PromptFile]:
    def read(path: Path) -> PromptFile:
        text, notes = decoded(path.read_bytes(), path, spreadsheet=True)
        rows, more = delimited_rows(text, path, separator)
        return PromptFile(rows, notes + more)

    return read


def _json(rows_of: Callable[[str, Path], list[Row]]) -> Callable[[Path], PromptFile]:
    def read(path: Path) -> PromptFile:
        text, notes = decoded(path.read_bytes(), path, spreadsheet=False)
        return PromptFile(rows_of(text, path), notes)

    return read


def _prompts_by_line(path: Path) -> PromptFile:
    """A prompt a line, in a column ``prompt``; empty lines are left out."""
    text, notes = decoded(path.read_bytes(), path, spreadsheet=True)
    lines = [(number, line.strip(" \ufeff")) for number, line in enumerate(LINE_ENDS.split(text), start=1)]
    if tabbed := next((number for number, line in lines if "\t" in line), None):
        raise DataError(
            found="a tab in a line",
            expected="a prompt a line",
            where=f"{path}, line {tabbed}",
            remedy="a table (Excel's 'Unicode text') is renamed to .tsv; elsewhere write a blank for the tab",
        )
    return PromptFile([(f"line {number}", {"prompt": line}) for number, line in lines if line], notes)


def _parquet(path: Path) -> PromptFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        names = table.column_names
        records = table.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, str(error).splitlines()[0]) from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _no_parquet(path, f"repeated column names {twice}")
    return PromptFile([(f"row {number}", record) for number, record in enumerate(records, start=1)])


def _workbook(path: Path) -> PromptFile:
    return PromptFile(*workbook_rows(path))


def _no_parquet(path: Path, found: str) -> DataError:
    return DataError(
        found=found,
        expected="a readable Parquet file",
        where=f"{path}, the file",
        remedy="write it anew, for example with pandas",
    )


READERS: dict[str, Callable[[Path], PromptFile]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json(json_lines),
    ".ndjson": _json(json_lines),
    ".json": _json(json_rows),
    ".parquet": _parquet,
    ".txt": _prompts_by_line,
    **dict.fromkeys(KINDS, _workbook),
}
