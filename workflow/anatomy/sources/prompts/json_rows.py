"""Rows of a JSON or JSON Lines file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anatomy.errors import DataError

Row = tuple[str, dict[str, Any]]

LINE_ENDS = re.compile(r"\r\n|\n|\r")
"""Of a file. Not str.splitlines: U+2028 and its kin may stand raw inside a JSON string, where a carriage return may not."""


class _Repeated(dict[str, Any]):
    """An object in which a key stands twice, of which ``json`` would keep the last without a word."""

    key: str


def json_rows(text: str, path: Path) -> list[Row]:
    """Rows of a JSON file: an array of objects, an object of columns, or objects line by line whatever the file is called.

    Raises:
        DataError: malformed JSON or another shape, with the line or row.
    """
    first = text.lstrip("\ufeff \t\r\n")[:1]
    try:
        records = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        if first == "{" and error.msg == "Extra data":
            return json_lines(text, path)
        raise _malformed(path, f"line {error.lineno}", f"{error.msg} at column {error.colno}", "valid JSON") from None
    if isinstance(records, dict):
        return _columns(path, records)
    if not isinstance(records, list):
        raise _malformed(path, "the top level", f"a {type(records).__name__}", "an array of objects")
    return [(f"row {number}", _object(path, f"row {number}", record)) for number, record in enumerate(records, start=1)]


def json_lines(text: str, path: Path) -> list[Row]:
    """Rows of a JSON Lines file, or of an array that bears such a file's name.

    Raises:
        DataError: malformed JSON or a line that is no object, with its line.
    """
    if text.lstrip("\ufeff \t\r\n")[:1] == "[":
        return json_rows(text.lstrip("\ufeff"), path)
    return list(_lines(text, path))


def _lines(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(LINE_ENDS.split(text), start=1):
        line = line.strip("\ufeff \t")
        if not line:
            continue
        try:
            record = json.loads(line, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            raise _malformed(path, f"line {number}", f"{error.msg} at column {error.colno}", "a JSON object") from None
        yield f"line {number}", _object(path, f"line {number}", record)


def _columns(path: Path, record: dict[str, Any]) -> list[Row]:
    """Rows of an object that holds columns, as pandas writes them: lists, or objects with the rows' names.

    A list of prompts may be shorter than another; its cells at the end are missing then, and whoever reads the rows says so.
    """
    if isinstance(record, _Repeated):
        raise _malformed(path, "the top level", f"the key {record.key!r} twice", "each key once")
    values = list(record.values())
    if values and all(isinstance(value, dict) for value in values) and len({tuple(value) for value in values}) == 1:
        names = list(values[0])
        values = [[value[name] for name in names] for value in values]
    if not values or not all(
        isinstance(value, list) and not any(isinstance(one, dict | list) for one in value) for value in values
    ):
        raise _malformed(path, "the top level", "a dict", "an array of objects, or an object of columns")
    length = max(map(len, values))
    columns = [[*value, *[None] * (length - len(value))] for value in values]
    return [
        (f"row {number}", dict(zip(record, row, strict=True))) for number, row in enumerate(zip(*columns, strict=True), start=1)
    ]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    repeated = _Repeated(found)
    repeated.key = next(name for name in names if names.count(name) > 1)
    return repeated


def _object(path: Path, place: str, record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise _malformed(path, place, f"a {type(record).__name__}", "a JSON object")
    if isinstance(record, _Repeated):
        raise _malformed(path, place, f"the key {record.key!r} twice", "each key once")
    return record


def _malformed(path: Path, place: str, found: str, expected: str) -> DataError:
    return DataError(found=found, expected=expected, where=f"{path}, {place}", remedy="mend or remove that record")
