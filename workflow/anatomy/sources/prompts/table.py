"""The prompt table: one form for every prompt file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.formats import Row, read_rows

COLUMNS = ("id", "prompt", "response", "label", "category", "source", "group", "pair")
SPLITS = ("fit", "select", "test")


def read_prompts(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    set_name: str = "",
    *,
    values: Mapping[str, str] | None = None,
    derive_ids: bool = False,
    require_label: bool = False,
    root: str | Path | None = None,
    rows: list[Row] | None = None,
) -> pd.DataFrame:
    """Read a prompt file (CSV, TSV, JSONL, JSON array, Parquet) into a prompt table.

    Args:
        path: the file; the extension names its format.
        columns: the file's column names mapped to ours, such as {"instruction": "prompt"}.
        set_name: fills `source` where the file has none, and begins derived ids.
        values: one value for a whole column, such as {"label": "harmful"}; the file may not have that column filled.
        derive_ids: make ids from a digest of prompt, response and label instead of reading them.
        require_label: refuse rows without a label.
        root: refuse paths that lead outside this folder.
        rows: the file's rows where they have been read already, each with its place.

    Returns:
        Columns id, prompt, response, label, category, source, group, pair (all `str`, missing values NaN; group
        defaults to id), and split where the file has one. Rows keep the order of the file.

    Raises:
        DataError: anything wrong with the file, with its line or row.
    """
    path = Path(path)
    if root is not None and not path.resolve().is_relative_to(Path(root).resolve()):
        raise DataError(
            found="a path that leads outside", expected=f"a file under {root}", where=str(path), remedy="move it there"
        )
    rows = read_rows(path) if rows is None else rows
    if not rows:
        raise DataError(found="no rows", expected="at least one prompt", where=str(path))
    columns, values = dict(columns or {}), dict(values or {})
    _check_mapping(path, columns, values, rows)
    records = [_record(path, place, row, columns, values, set_name, derive_ids) for place, row in rows]
    places = [place for place, _ in rows]
    _check_ids(path, places, records)
    if require_label:
        _check_present(path, places, records, "label")
    names = [*COLUMNS, *(["split"] if any(record["split"] is not None for record in records) else [])]
    return pd.DataFrame({name: pd.Series([record[name] for record in records], dtype="str") for name in names})


def _check_mapping(path: Path, columns: dict[str, str], values: dict[str, str], rows: list[Row]) -> None:
    known = {*COLUMNS, "split"}
    wrong = sorted((set(columns.values()) | set(values)) - known)
    if wrong:
        raise DataError(found=f"target columns {wrong}", expected=f"some of {sorted(known)}", where=f"columns of {path}")
    present = {name for _, row in rows for name in row}
    absent = sorted(set(columns) - present)
    if absent:
        raise DataError(
            found=f"columns {sorted(present)}",
            expected=f"also {absent}, which the configuration maps to ours",
            where=str(path),
            remedy="correct `columns`",
        )
    if "prompt" not in {*columns.values(), *values, *present}:
        raise DataError(
            found=f"columns {sorted(present)}",
            expected="a column `prompt`",
            where=str(path),
            remedy="map one with `columns`, such as {question: prompt}",
        )
    targets = list(columns.values())
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise DataError(found=f"{twice} named twice", expected="one file column for each of ours", where=str(path))


def _record(
    path: Path, place: str, row: dict[str, Any], columns: dict[str, str], values: dict[str, str], set_name: str, derive_ids: bool
) -> dict[str, str | None]:
    wanted = {*COLUMNS, "split"}
    # A mapped column wins over one of the file's that happens to bear our name.
    named = {name: value for name, value in row.items() if name in wanted and name not in columns}
    mapped = {ours: row.get(theirs) for theirs, ours in columns.items()}
    given = {name: _string(path, place, name, value) for name, value in {**named, **mapped}.items()}
    record: dict[str, str | None] = {name: given.get(name) for name in (*COLUMNS, "split")}
    for name, value in values.items():
        if record[name] not in (None, value):
            raise _wrong(path, place, f"{name} {record[name]!r}", f"{value!r}, the value configured for all rows")
        record[name] = value
    if record["prompt"] is None:
        raise _wrong(path, place, "an empty prompt", "text")
    if record["split"] is not None and record["split"] not in SPLITS:
        raise _wrong(path, place, f"split {record['split']!r}", f"one of {SPLITS}")
    if derive_ids:
        record["id"] = _content_id(record, set_name)
    record["source"] = record["source"] or set_name or None
    record["group"] = record["group"] or record["id"]
    return record


def _string(path: Path, place: str, name: str, value: Any) -> str | None:
    """Return the value as text, or None where it is missing, empty or blank."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, (list, dict, bytes)):
        raise _wrong(path, place, f"a {type(value).__name__} in {name}", "text or a number")
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(path, place, f"half of a surrogate pair in {name}", "text that UTF-8 can hold") from None
    if name in ("prompt", "response"):
        return text if text.strip() else None
    return text.strip() or None


def _content_id(record: dict[str, str | None], set_name: str) -> str:
    content = json.dumps([record["prompt"], record["response"], record["label"]], ensure_ascii=False)
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()[:16]
    return f"{set_name}-{digest}" if set_name else digest


def _check_ids(path: Path, places: list[str], records: list[dict[str, str | None]]) -> None:
    _check_present(path, places, records, "id")
    first: dict[str | None, str] = {}
    for place, record in zip(places, records, strict=True):
        if record["id"] in first:
            raise _wrong(path, place, f"id {record['id']!r}, already used in {first[record['id']]}", "an id used once")
        first[record["id"]] = place


def _check_present(path: Path, places: list[str], records: list[dict[str, str | None]], name: str) -> None:
    missing = [place for place, record in zip(places, records, strict=True) if record[name] is None]
    if missing:
        count = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            found=f"no {name}{count}",
            expected=f"a {name} in every row",
            where=f"{path}, {missing[0]}",
            remedy="add the column, map one with `columns`" + (", or set `derive_ids`" if name == "id" else ""),
        )


def _wrong(path: Path, place: str, found: str, expected: str) -> DataError:
    return DataError(found=found, expected=expected, where=f"{path}, {place}", remedy="mend or remove that row")
