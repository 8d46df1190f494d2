"""Rows of a benchmark's data file, in the columns that its real lm-eval task reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anatomy.errors import DataError, parsing
from anatomy.store.json_objects import JsonObject

Row = JsonObject
"""A row of a benchmark's file; which fields it has is the benchmark's to say."""

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
LETTERS = "ABCDEFGH"


def read_rows(path: Path) -> list[Row]:
    """All rows of a JSONL, JSON (one array), CSV (UTF-8, with a header) or Parquet file.

    Raises:
        DataError: the file is missing, empty, of another kind, or malformed (with its line number).
    """
    if not path.is_file():
        raise DataError(found="no such file", expected="a benchmark's data file", where=str(path))
    with parsing(DataError, str(path), "a readable file of rows in UTF-8", csv.Error):
        rows = _rows(path)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(found="no rows", expected="a list of objects, at least one", where=str(path))
    return rows


def _rows(path: Path) -> list[Row]:
    rows: list[Row] = []
    if path.suffix == ".jsonl":
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                rows.append(_parsed(line, f"{path}, line {number}"))
    elif path.suffix == ".json":
        rows = _parsed(path.read_text(encoding="utf-8"), str(path))
    elif path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
    else:
        raise DataError(found=f"a {path.suffix or 'nameless'} file", expected=f"one of {', '.join(SUFFIXES)}", where=str(path))
    return rows


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(found=f"malformed JSON ({error})", expected="valid JSON", where=where) from error


def find_split(folder: Path, split: str, prefix: str = "") -> Path | None:
    """The file of one split, ``<folder>/<prefix><split>.<suffix>``, or None."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{prefix}{split}{suffix}").is_file()]
    if len(found) > 1:
        raise DataError(found=f"{[path.name for path in found]}", expected="one file a split", where=str(folder))
    return found[0] if found else None


def mmlu_row(row: Row) -> Row:
    """MMLU in columns ``question, choices, answer`` (index), from those or from ``question, A, B, C, D, answer``."""
    choices = row["choices"] if "choices" in row else [row[letter] for letter in "ABCD"]
    answer = row["answer"]
    if isinstance(answer, str):
        answer = LETTERS.index(answer) if answer in LETTERS else int(answer)
    return {"question": row["question"], "choices": list(choices), "answer": int(answer)}


def boolq_row(row: Row) -> Row:
    """BoolQ with ``label`` 0 or 1, from that or from a true-or-false ``answer``."""
    return {**row, "label": int(row["label"] if "label" in row else row["answer"])}


def adapted(rows: list[Row], adapt: Callable[[Row], Row], columns: tuple[str, ...], where: str) -> list[Row]:
    """Rows in the columns a task reads.

    Raises:
        DataError: a row lacks a column or holds something else in it (with its number).
    """
    done = []
    for number, row in enumerate(rows, start=1):
        try:
            done.append(adapt(row))
            missing = [column for column in columns if done[-1].get(column) is None]
        except (KeyError, ValueError, TypeError) as error:
            missing = [f"{type(error).__name__} {error}"]
        if missing:
            raise DataError(
                found=f"columns {sorted(row)} (missing: {', '.join(missing)})",
                expected=f"columns {', '.join(columns)}",
                where=f"{where}, row {number}",
            )
    return done
