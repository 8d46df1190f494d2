"""Rows of a prompt file, each with the place it came from, whatever the format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anatomy.errors import DataError, parsing

Row = tuple[str, dict[str, Any]]  # ("line 3", {"prompt": ...})


def read_rows(path: Path) -> list[Row]:
    """Read a CSV, TSV, JSONL, JSON or Parquet file into rows, each with its place in words.

    Raises:
        DataError: the file is missing, of an unknown kind, not UTF-8, or malformed (with the line or row).
    """
    if not path.is_file():
        raise DataError(found="no such file", expected="a prompt file", where=str(path), remedy="check the path")
    kind = path.suffix.lower()
    if kind not in READERS:
        raise DataError(
            found=f"extension {kind!r}", expected=f"one of {', '.join(READERS)}", where=str(path), remedy="convert it"
        )
    with parsing(DataError, str(path), f"a readable {kind} file", remedy="mend or convert it"):
        return list(READERS[kind](path))


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        line = raw[:offset].count(b"\n") + 1
        raise DataError(
            found=f"byte 0x{raw[offset]:02x} at byte offset {offset} (line {line})",
            expected="text in UTF-8",
            where=str(path),
            remedy="convert the file, for example with `iconv -t UTF-8`",
        ) from None


def _csv(path: Path) -> Iterator[Row]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            place = f"line {reader.line_num}"
            if not fields:
                continue
            if header is None:
                header = [name.strip() for name in fields]
                if len(set(header)) < len(header):
                    raise _malformed(path, "line 1", f"repeated column names {header}", "each column named once")
            elif len(fields) != len(header):
                raise _malformed(path, place, f"{len(fields)} fields", f"{len(header)} fields, as in the header")
            else:
                yield place, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise _malformed(path, f"line {reader.line_num}", str(error), "a well-formed CSV record") from None


def _jsonl(path: Path) -> Iterator[Row]:
    # Not splitlines(): U+2028 and its kin may stand raw inside a JSON string.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise _malformed(path, f"line {number}", f"{error.msg} at column {error.colno}", "a JSON object") from None
        yield f"line {number}", _object(path, f"line {number}", record)


def _json(path: Path) -> Iterator[Row]:
    try:
        records = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise _malformed(path, f"line {error.lineno}", f"{error.msg} at column {error.colno}", "valid JSON") from None
    if not isinstance(records, list):
        raise _malformed(path, "the top level", f"a {type(records).__name__}", "an array of objects")
    for number, record in enumerate(records, start=1):
        yield f"row {number}", _object(path, f"row {number}", record)


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        records = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _malformed(path, "the file", str(error).splitlines()[0], "a readable Parquet file") from None
    for number, record in enumerate(records, start=1):
        yield f"row {number}", record


def _object(path: Path, place: str, record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise _malformed(path, place, f"a {type(record).__name__}", "a JSON object")
    return record


def _malformed(path: Path, place: str, found: str, expected: str) -> DataError:
    return DataError(found=found, expected=expected, where=f"{path}, {place}", remedy="mend or remove that record")


READERS = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".parquet": _parquet}
