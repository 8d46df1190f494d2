"""The prompt table: one form for every prompt file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.cells import cell_text
from anatomy.sources.prompts.column_names import find_cell, has_column
from anatomy.sources.prompts.formats import Row, read_file
from anatomy.sources.prompts.labels import FLAGS, plain_label

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
    say: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Read a prompt file (CSV, TSV, JSONL, JSON array, Parquet) into a prompt table.

    Args:
        path: the file; the extension names its format.
        columns: the file's column names mapped to ours, such as {"instruction": "prompt"}.
        set_name: fills `source` where the file has none, and begins derived ids.
        values: one value for a whole column, such as {"label": "harmful"}; the file may not have that column filled.
        derive_ids: make ids from a digest of prompt, response and label instead of reading them.
        require_label: refuse rows without a label, and labels that do not say what they mean, such as 1.
        root: refuse paths that lead outside this folder.
        rows: the file's rows where they have been read already, each with its place.
        say: told how the file was read where that is not as a matter of course.

    Returns:
        Columns id, prompt, response, label, category, source, group, pair (all `str`, missing values NaN; group
        defaults to the pair, so that its sides share one in any set, or else to the id), split where the file has one, and
        place, where the row stands. Rows keep the order of the file. Names of columns count in any letters. An id may repeat
        where the row does.

    Raises:
        DataError: anything wrong with the file, with its line or row.
    """
    path = Path(path)
    if root is not None and not path.resolve().is_relative_to(Path(root).resolve()):
        raise DataError(
            found="a path that leads outside", expected=f"a file under {root}", where=str(path), remedy="move it there"
        )
    if rows is None:
        file = read_file(path)
        rows = file.rows
        for note in file.notes:
            say(f"{path}: {note}")
    if not rows:
        raise DataError(found="no rows", expected="at least one prompt", where=str(path), remedy="add prompts below the header")
    columns, values = dict(columns or {}), dict(values or {})
    _check_mapping(path, columns, values, rows)
    records = [_record(path, place, row, columns, values, set_name, derive_ids) for place, row in rows]
    places = [place for place, _ in rows]
    _check_ids(path, places, records)
    if require_label:
        _check_present(path, places, records, "label")
        _check_labels(path, places, records)
    for place, record in zip(places, records, strict=True):
        record["place"] = f"{path}, {place}"
    split = ["split"] if any(record["split"] is not None for record in records) else []
    names = [*COLUMNS, *split, "place"]
    return pd.DataFrame({name: pd.Series([record[name] for record in records], dtype="str") for name in names})


def _check_mapping(path: Path, columns: dict[str, str], values: dict[str, str], rows: list[Row]) -> None:
    known = {*COLUMNS, "split"}
    wrong = sorted((set(columns.values()) | set(values)) - known)
    if wrong:
        raise DataError(found=f"target columns {wrong}", expected=f"some of {sorted(known)}", where=f"columns of {path}")
    present = {name for _, row in rows for name in row}
    absent = sorted(name for name in columns if not has_column(present, name))
    if absent:
        raise DataError(
            found=f"columns {sorted(present)}",
            expected=f"also {absent}, which the configuration maps to ours",
            where=str(path),
            remedy="correct `columns`",
        )
    if "prompt" not in {*columns.values(), *values} and not has_column(present, "prompt"):
        raise DataError(
            found=f"columns {sorted(present)}",
            expected="a column `prompt`",
            where=str(path),
            remedy="name it so in the first row, or map one with `columns`, such as {question: prompt}",
        )
    targets = list(columns.values())
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise DataError(found=f"{twice} named twice", expected="one file column for each of ours", where=str(path))


def _record(
    path: Path, place: str, row: dict[str, Any], columns: dict[str, str], values: dict[str, str], set_name: str, derive_ids: bool
) -> dict[str, str | None]:
    where = f"{path}, {place}"
    # A mapped column wins over one of the file's that happens to bear our name.
    found = {name: find_cell(row, name, where) for name in (*COLUMNS, "split")}
    theirs = set(columns)
    found = {name: None if name in theirs else value for name, value in found.items()}
    found |= {ours: row[name] if name in row else find_cell(row, name, where) for name, ours in columns.items()}
    record = {name: cell_text(value, name, where) for name, value in found.items()}
    record["label"] = record["label"] and plain_label(record["label"])
    record["split"] = record["split"] and record["split"].casefold()
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
    record["group"] = record["group"] or (f"pair {record['pair']}" if record["pair"] else record["id"])
    return record


def _content_id(record: dict[str, str | None], set_name: str) -> str:
    content = json.dumps([record["prompt"], record["response"], record["label"]], ensure_ascii=False)
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()[:16]
    return f"{set_name}-{digest}" if set_name else digest


def _check_ids(path: Path, places: list[str], records: list[dict[str, str | None]]) -> None:
    _check_present(path, places, records, "id")
    first: dict[str | None, tuple[str, object]] = {}
    for place, record in zip(places, records, strict=True):
        content = (record["prompt"] or "").casefold().split(), record["response"]
        earlier, other = first.setdefault(record["id"], (place, content))
        if other != content:
            raise _wrong(path, place, f"id {record['id']!r}, already used in {earlier}", "an id used for one prompt")


def _check_labels(path: Path, places: list[str], records: list[dict[str, str | None]]) -> None:
    for place, record in zip(places, records, strict=True):
        if (record["label"] or "").casefold() in FLAGS:
            raise DataError(
                found=f"label {record['label']!r}",
                expected="a word, such as harmful or benign",
                where=f"{path}, {place}",
                remedy="write words: what 1 or yes stands for differs between data sets",
            )


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
