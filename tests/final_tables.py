"""What a study ends with, to be compared: every table and every decision, without times, logs, records of jobs and the store."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

TIMES = ("wall_seconds", "seconds", "time", "when", "started")
LEFT_OUT = ("store", "controller", "logs", "organism", "provenance")
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}  # fp32 on the CPU; a resumed engine sees other batches


def final_tables(results: Path) -> dict[str, pd.DataFrame | object]:
    """Parquet and CSV files as tables, JSON files as values; by path below the results."""
    found: dict[str, pd.DataFrame | object] = {}
    for path in sorted(results.rglob("*")):
        name = str(path.relative_to(results))
        if name.split("/")[0] in LEFT_OUT:
            continue
        if path.suffix == ".parquet":
            found[name] = pd.read_parquet(path)
        elif path.suffix == ".csv":
            found[name] = pd.read_csv(path)
        elif path.suffix == ".json":
            found[name] = json.loads(path.read_text(encoding="utf-8"), object_hook=_without_times)
    return found


def check_equal(results: Path, undisturbed: Path) -> None:
    """Every table of the undisturbed run is there, equal, and no other.

    Raises:
        AssertionError: naming the first that is not.
    """
    ours, theirs = final_tables(results), final_tables(undisturbed)
    assert set(ours) == set(theirs), f"only here: {set(ours) - set(theirs)}; only undisturbed: {set(theirs) - set(ours)}"
    for name, table in theirs.items():
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_frame_equal(ours[name], table, obj=name, **TOLERANCE)
        else:
            assert _close(ours[name], table), name


def _without_times(value: dict) -> dict:
    return {key: kept for key, kept in value.items() if key not in TIMES}


def _close(one: object, two: object) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_close(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_close, one, two))
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two) <= TOLERANCE["atol"] + TOLERANCE["rtol"] * abs(two)
    return one == two
