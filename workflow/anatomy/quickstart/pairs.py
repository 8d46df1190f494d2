"""A user's pairs, as the two prompt sets of a study."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from anatomy.errors import DataError
from anatomy.sources.prompts.formats import read_rows
from anatomy.store.digest import digest
from anatomy.store.files import write_text

HARMFUL, HARMLESS = ("harmful",), ("harmless", "benign")
LEAST = 40
"""Pairs with which every split gets the rows that a prompt set asks for (``PromptSet.minimum``), with room to spare."""


@dataclass(frozen=True)
class Pairs:
    """Prompts of both sides; ``pair`` ties a harmful prompt to the harmless one that stood beside it."""

    harmful: list[tuple[str, str]]
    harmless: list[tuple[str, str]]


def read_pairs(path: Path) -> Pairs:
    """Read pairs from a CSV, TSV, JSONL, JSON or Parquet file.

    Either one pair a row (columns ``harmful`` and ``harmless``) or one prompt a row (columns ``prompt`` and ``label``, with
    the labels harmful and harmless or benign; optionally ``pair``).

    Raises:
        DataError: neither form, an empty prompt, an unknown label, or too few prompts on a side.
    """
    rows = read_rows(Path(path))
    columns = set(rows[0][1]) if rows else set()
    side = next((name for name in HARMLESS if name in columns), None)
    if "harmful" in columns and side:
        harmful, harmless = [], []
        for number, (place, row) in enumerate(rows):
            harmful.append((f"pair-{number}", _text(row, "harmful", path, place)))
            harmless.append((f"pair-{number}", _text(row, side, path, place)))
    elif {"prompt", "label"} <= columns:
        harmful, harmless = _labelled(rows, path)
    else:
        raise DataError(
            found=f"columns {sorted(columns)}",
            expected="harmful and harmless, or prompt and label",
            where=str(path),
            remedy="name the columns so; other columns are ignored",
        )
    for name, found in (("harmful", harmful), ("harmless", harmless)):
        if len(found) < LEAST:
            raise DataError(
                found=f"{len(found)} {name} prompts",
                expected=f"at least {LEAST}",
                where=str(path),
                remedy="directions, their choice and their test need prompts of their own: add some",
            )
    return Pairs(harmful, harmless)


def write_sets(pairs: Pairs, folder: Path) -> dict[str, Path]:
    """Write ``harmful.csv`` and ``harmless.csv`` (id, prompt, group) into a folder; pairs share a group, and so a split."""
    found = {}
    for name in ("harmful", "harmless"):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "prompt", "group"])
        writer.writerows([digest([name, prompt])[:16], prompt, pair] for pair, prompt in getattr(pairs, name))
        found[name] = folder / f"{name}.csv"
        write_text(found[name], text.getvalue())
    return found


def _labelled(rows: list, path: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    sides: dict[str, list[tuple[str, str]]] = {"harmful": [], "harmless": []}
    for number, (place, row) in enumerate(rows):
        label = str(row.get("label") or "").strip()
        if label not in (*HARMFUL, *HARMLESS):
            raise DataError(found=f"label {label!r}", expected="harmful, harmless or benign", where=f"{path}, {place}")
        name = str(row.get("pair") or "").strip() or f"row-{number}"
        sides["harmful" if label in HARMFUL else "harmless"].append((name, _text(row, "prompt", path, place)))
    return sides["harmful"], sides["harmless"]


def _text(row: dict, column: str, path: Path, place: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            found=f"no text in column {column!r}",
            expected="a prompt",
            where=f"{path}, {place}",
            remedy="fill the cell or drop the row",
        )
    return value
