"""Which prompts of a user's file are harmful, which harmless, and which belong together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.cells import cell_text
from anatomy.sources.prompts.column_names import find_cell, has_column
from anatomy.sources.prompts.formats import Row
from anatomy.sources.prompts.groups import merge_groups
from anatomy.sources.prompts.labels import FLAGS, HARMFUL, HARMLESS, NO, YES

FLAGGED = {
    **{name: "harmful" for word in HARMFUL for name in (word, f"is_{word}")},
    **{name: "harmless" for word in HARMLESS for name in (word, f"is_{word}")},
}
"""Columns of yes and no, and the side that yes stands for."""
OTHER = {"harmful": "harmless", "harmless": "harmful"}
FORMS = "harmful and harmless; or prompt, and label (harmful, harmless) or is_harmful (1, 0)"


def prompts_of(rows: list[Row], path: Path, notes: list[str]) -> pd.DataFrame:
    """The prompts of a file as a table, and in ``notes`` which rows gave none.

    One pair a row: columns ``harmful`` (or unsafe) and ``harmless`` (or benign, safe); the shorter of two lists ends before
    the other. Or one prompt a row: ``prompt`` with ``label`` in words, or with a column of yes and no that is called after a
    side. A ``label`` of 1 is refused, for it means harmful in some data sets and harmless in others. In both forms ``pair``
    and ``group`` tie rows.

    Returns:
        Columns id, prompt, response (none), label (harmful, harmless), group, place.

    Raises:
        DataError: neither form, no text where a prompt should be, or a side that is not clear.
    """
    present = sorted({name for _, row in rows for name in row})
    if not rows:
        raise DataError(
            found="no rows below a header",
            expected=f"columns {FORMS}, and prompts in them",
            where=str(path),
            remedy="add prompts",
        )
    pair = [next((name for name in names if has_column(present, name)), None) for names in (HARMFUL, HARMLESS)]
    flags = [name for name in FLAGGED if has_column(present, name)]
    labelled = has_column(present, "prompt") and (has_column(present, "label") or flags)
    if pair[0] and pair[1] and not (labelled and _all_flags(rows, pair[0], path)):
        ties: tuple[str, ...] = ("pair", "group")
        found = _side_by_side(rows, pair[0], pair[1], path, notes)
    elif labelled:
        ties = ("group",)
        found = _one_a_row(rows, flags, path, notes)
    else:
        raise DataError(
            found=f"columns {present}",
            expected=f"columns {FORMS}",
            where=str(path),
            remedy="name the columns so in the first row; other columns are ignored",
        )
    records, numbers = [record for _, record in found], [number for number, _ in found]
    columns = ("id", "prompt", "response", "label", "group", "place")
    table = pd.DataFrame({name: pd.Series([one.get(name) for one in records], dtype="str") for name in columns})
    return merge_groups(table, _ties(rows, numbers, table, ties, path))


def _side_by_side(rows: list[Row], harmful: str, harmless: str, path: Path, notes: list[str]) -> list[tuple[int, dict[str, str]]]:
    cells = {
        side: [_prompt(row, column, f"{path}, {place}") for place, row in rows]
        for side, column in (("harmful", harmful), ("harmless", harmless))
    }
    ends = {side: max((n for n, prompt in enumerate(prompts, start=1) if prompt), default=0) for side, prompts in cells.items()}
    found = []
    for number, (place, _) in enumerate(rows):
        for side, column in (("harmful", harmful), ("harmless", harmless)):
            if prompt := cells[side][number]:
                found.append((number, _record(side, number, prompt, f"pair-{number}", f"{path}, {place}")))
            elif number < ends[side]:
                raise _empty(column, f"{path}, {place}")
    if ends["harmful"] != ends["harmless"]:
        longer = max(ends, key=lambda side: ends[side])
        notes.append(
            f"the last {abs(ends['harmful'] - ends['harmless'])} {longer} prompts have none beside them and are in no pair"
        )
    if len(rows) > max(ends.values()):
        notes.append(f"{len(rows) - max(ends.values())} rows at the end have no prompt and were left out")
    return found


def _one_a_row(rows: list[Row], flags: list[str], path: Path, notes: list[str]) -> list[tuple[int, dict[str, str]]]:
    found = []
    for number, (place, row) in enumerate(rows):
        where = f"{path}, {place}"
        prompt, sides = _prompt(row, "prompt", where), list(_sides(row, flags, where))
        if prompt is None and not sides:
            continue
        if prompt is None:
            raise _empty("prompt", where)
        if len({side for _, side in sides}) != 1:
            said = ", ".join(f"{side} by {column!r}" for column, side in sides)
            raise DataError(
                found=said or "no label",
                expected="one side",
                where=where,
                remedy="fill the label, or remove the column that is wrong",
            )
        name = cell_text(find_cell(row, "pair", where), "pair", where)
        found.append((number, _record(sides[0][1], number, prompt, f"row-{number}" if name is None else name, where)))
    if len(found) < len(rows):
        notes.append(f"{len(rows) - len(found)} rows have neither prompt nor label and were left out")
    return found


def _sides(row: dict[str, Any], flags: list[str], where: str) -> Iterator[tuple[str, str]]:
    """The side that each column gives a row; none where the cell is empty."""
    label = cell_text(find_cell(row, "label", where), "label", where)
    if label is not None:
        small = label.casefold()
        if small not in (*HARMFUL, *HARMLESS):
            flag = small in FLAGS
            raise DataError(
                found=f"label {label!r}",
                expected=f"{' or '.join(HARMFUL)}; or {', '.join(HARMLESS)}",
                where=where,
                remedy="call the column is_harmful (1: harmful) or is_harmless (1: harmless): as a label, 1 stands for either"
                if flag
                else "write one of these, or drop the row",
            )
        yield "label", "harmful" if small in HARMFUL else "harmless"
    for column in flags:
        value = cell_text(find_cell(row, column, where), column, where)
        if value is None:
            continue
        if value.casefold() not in FLAGS:
            raise DataError(
                found=f"{value[:40]!r} in column {column!r}",
                expected=f"yes or no: {', '.join((*YES, *NO))}",
                where=where,
                remedy="mend the cell, or name the column otherwise if it means something else",
            )
        yield column, FLAGGED[column] if value.casefold() in YES else OTHER[FLAGGED[column]]


def _ties(
    rows: list[Row], numbers: list[int], table: pd.DataFrame, columns: tuple[str, ...], path: Path
) -> Iterator[tuple[str, str]]:
    """Pairs of ids of prompts whose rows share a value of one of the columns."""
    first: dict[tuple[str, str], str] = {}
    for number, name in zip(numbers, table["id"], strict=True):
        place, row = rows[number]
        for column in columns:
            value = cell_text(find_cell(row, column, f"{path}, {place}"), column, f"{path}, {place}")
            if value is not None:
                yield first.setdefault((column, value), name), name


def _all_flags(rows: list[Row], column: str, path: Path) -> bool:
    values = {str(find_cell(row, column, f"{path}, {place}")).strip().casefold() for place, row in rows}
    return values <= {*FLAGS, "", "none", "nan"}


def _record(side: str, number: int, prompt: str, group: str, where: str) -> dict[str, str]:
    return {"id": f"{side}-{number}", "prompt": prompt, "label": side, "group": group, "place": where}


def _prompt(row: dict[str, Any], column: str, where: str) -> str | None:
    return cell_text(find_cell(row, column, where), "prompt", where)


def _empty(column: str, where: str) -> DataError:
    return DataError(
        found=f"no text in column {column!r}", expected="a prompt", where=where, remedy="fill the cell or drop the row"
    )
