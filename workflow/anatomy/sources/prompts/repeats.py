"""Prompts that stand in several rows: kept once, with all that they were tied to; refused where they are on both sides."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.groups import merge_groups
from anatomy.sources.prompts.labels import side_of
from anatomy.sources.prompts.wording import normal_wording

SHOWN = 60


def keep_once(table: pd.DataFrame, say: Callable[[str], None]) -> pd.DataFrame:
    """Keep the first of the rows that repeat a prompt (and response) but for case and spacing; all their groups become one.

    Rows that published splits part are all kept: which split a prompt belongs to is not for a program to say
    (``check_splits`` refuses them).

    Args:
        table: prompt table with place.
        say: told how many rows were left out, with an example.

    Raises:
        DataError: a prompt is harmless in one row and harmful in another, with both places.
    """
    rows = table.reset_index(drop=True)
    wording = rows["prompt"].map(same_prompt) + "\0" + rows["response"].fillna("")
    first = wording.map({text: number for number, text in reversed(list(enumerate(wording)))})
    _check_sides(rows)
    if (first == rows.index).all():
        return table
    numbers = rows.index.map(str)
    links = zip(numbers, first.map(str), strict=True)
    merged = merge_groups(rows.assign(id=numbers), ((one, other) for one, other in links if one != other))["group"]
    rows = rows.assign(group=merged)
    later = first != rows.index
    if "split" in rows:
        several = rows.groupby(wording)["split"].transform("nunique") > 1
        later &= ~several
        rows["split"] = rows["split"].where(several, rows.groupby(wording)["split"].transform("first"))
    if not later.any():
        return rows
    example = rows[later].iloc[0]
    of = rows.loc[first[later].iloc[0]]
    say(
        f"{int(later.sum())} of {len(rows)} prompts stand in an earlier row too and were left out, such as "
        f"{shortened(example['prompt'])} in {example['place']} (first in {of['place']}); whatever shares a prompt is one group"
    )
    return rows[~later].reset_index(drop=True)


def same_prompt(prompt: str) -> str:
    """A prompt without its case and spacing: what two rows have in common that ask the same."""
    return " ".join(prompt.casefold().split())


def shortened(text: str) -> str:
    """A text in quotation marks, on one line, with its beginning and its end where it is long."""
    line = " ".join(text.split())
    half = SHOWN // 2
    return f"'{line}'" if len(line) <= SHOWN else f"'{line[:half]} … {line[-half:]}'"


def side_by_side(one: str, other: str) -> str:
    """Two similar texts in quotation marks, each from shortly before the place where they begin to differ."""
    one, other = " ".join(one.split()), " ".join(other.split())
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    begins = one.rfind(" ", 0, max(0, same - SHOWN // 3)) + 1 if same > SHOWN // 2 else 0
    return " and ".join(shortened(f"{'… ' if begins else ''}{text[begins:]}") for text in (one, other))


def _check_sides(rows: pd.DataFrame) -> None:
    """Here punctuation does not count either: a full stop makes no harmful request harmless."""
    rows = rows[rows["label"].notna()]
    first: dict[str, int] = {}
    sides = rows["label"].map(side_of)
    wording = rows["prompt"].map(normal_wording) + "\0" + rows["response"].fillna("")
    parted = [
        (number, earlier) for number, text in wording.items() if sides[earlier := first.setdefault(text, number)] != sides[number]
    ]
    if parted:
        row, earlier = rows.loc[parted[0][0]], rows.loc[parted[0][1]]
        more = f" ({len(parted)} in all)" if len(parted) > 1 else ""
        raise DataError(
            found=f"{shortened(row['prompt'])}, {row['label']} here and {earlier['label']} in {earlier['place']}{more}",
            expected="each prompt on one side",
            where=row["place"],
            remedy="decide which it is, and remove the other row",
        )
