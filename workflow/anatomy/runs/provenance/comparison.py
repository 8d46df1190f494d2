"""A result made again beside the stored one: equal within a tolerance, or graded by what may explain the difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from anatomy.errors import StoreError
from anatomy.runs.provenance.record import Record

Grade = Literal["same", "hardware", "versions", "numbers"]
SHOWN = 10
"""Most differing cells named."""


@dataclass(frozen=True)
class Comparison:
    """What came of making a result again.

    Attributes:
        grade: ``same`` within tolerance; otherwise what differs besides the numbers: ``versions`` of packages or code,
            else ``hardware``; ``numbers`` where nothing else differs, which is the one that needs looking into.
        cells: differing cells as ``row, column: stored, again``.
        differing: how many cells differ.
        compared: how many were compared.
        surroundings: what differs in software, hardware and code.
    """

    grade: Grade
    cells: list[str]
    differing: int
    compared: int
    surroundings: list[str]


def read_values(path: Path) -> pd.DataFrame:
    """The numbers of a result: a table as it is, the data beside a picture.

    Raises:
        StoreError: a kind of file that holds no table.
    """
    if path.suffix in (".svg", ".pdf"):
        path = path.with_suffix(".csv")
    if path.suffix not in (".csv", ".parquet"):
        raise StoreError(
            found=f"a file of kind {path.suffix or None}", expected="a figure (svg, pdf) or table (csv, parquet)", where=str(path)
        )
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(found=str(error).splitlines()[0], expected="a readable table", where=str(path)) from error


def compare(stored: pd.DataFrame, again: pd.DataFrame, relative: float, absolute: float) -> tuple[list[str], int, int]:
    """Cells that differ: numbers beyond ``absolute + relative * |stored|``, anything else that is not equal.

    Returns:
        Differing cells in words (the first ten), how many differ, how many were compared.
    """
    if list(stored.columns) != list(again.columns) or len(stored) != len(again):
        return [f"shape: stored {len(stored)} rows of {list(stored.columns)}, again {len(again)} of {list(again.columns)}"], 1, 1
    found: list[str] = []
    differing = 0
    for column in stored:
        left, right = stored[column], again[column]
        unequal = ~close(left, right, relative, absolute)
        differing += int(unequal.sum())
        for row in np.flatnonzero(unequal)[: SHOWN - len(found)]:
            found.append(f"row {row}, {column}: {left.iloc[row]}, {right.iloc[row]}")
    return found, differing, stored.size


def close(left: pd.Series, right: pd.Series, relative: float, absolute: float) -> np.ndarray:
    """Which entries agree."""
    if pd.api.types.is_numeric_dtype(left) and pd.api.types.is_numeric_dtype(right):
        return np.isclose(right.to_numpy(float), left.to_numpy(float), rtol=relative, atol=absolute, equal_nan=True)
    return np.array([same(one, other, relative, absolute) for one, other in zip(left, right, strict=True)], dtype=bool)


def same(one: Any, other: Any, relative: float, absolute: float) -> bool:
    """Whether two entries agree; lists of numbers entry by entry."""
    if isinstance(one, (list, np.ndarray)) and isinstance(other, (list, np.ndarray)):
        return len(one) == len(other) and bool(
            np.allclose(np.asarray(other, float), np.asarray(one, float), relative, absolute, equal_nan=True)
        )
    return bool(one == other) or (pd.isna(one) is True and pd.isna(other) is True)


def graded(cells: tuple[list[str], int, int], stored: list[Record], again: list[Record]) -> Comparison:
    """Grade differing cells by the records behind both results."""
    named, differing, compared = cells
    versions = differences(stored, again, "software") + code_differences(stored, again)
    machines = differences(stored, again, "hardware")
    grade: Grade = "same" if not differing else "versions" if versions else "hardware" if machines else "numbers"
    return Comparison(grade, named, differing, compared, versions + machines)


def differences(stored: list[Record], again: list[Record], part: Literal["software", "hardware"]) -> list[str]:
    """Facts of one kind that the two chains of records do not share."""
    before, after = (
        {(key, str(value)) for record in records for key, value in record[part].items()} for records in (stored, again)
    )
    return [
        f"{part} {key}: {' or '.join(sorted(v for k, v in before if k == key))} stored, "
        f"{' or '.join(sorted(v for k, v in after if k == key))} again"
        for key in sorted({key for key, _ in before ^ after})
    ]


def code_differences(stored: list[Record], again: list[Record]) -> list[str]:
    """Rules whose code fingerprint differs."""
    before, after = ({record["rule"]: record["parameters"].get("code") for record in records} for records in (stored, again))
    return [
        f"code of {rule}: {before[rule]} stored, {after[rule]} again"
        for rule in sorted(set(before) & set(after))
        if before[rule] != after[rule]
    ]
