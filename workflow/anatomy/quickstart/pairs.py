"""A user's pairs, as the two prompt sets of a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from anatomy.config.subjects import PromptSet
from anatomy.errors import DataError
from anatomy.quickstart.sides import prompts_of
from anatomy.quickstart.two_files import SIDES, rows_of
from anatomy.sources.prompts.audit import find_near_duplicates
from anatomy.sources.prompts.column_names import has_column, plain_name
from anatomy.sources.prompts.enough import Splitting, merged_note, too_small
from anatomy.sources.prompts.formats import Row
from anatomy.sources.prompts.groups import merge_groups
from anatomy.sources.prompts.repeats import keep_once
from anatomy.sources.prompts.shared_wording import shared_wording
from anatomy.store.digest import digest
from anatomy.store.files import write_text

OPTIONS = PromptSet(file="pairs")
"""What a prompt set has where nobody says otherwise."""
LEAST = 40
"""Prompts of a side with which every split gets the rows that a prompt set asks for (``PromptSet.minimum``)."""
NAMED = (*SIDES, "prompt", "label", "is_harmful", "is_harmless", "pair", "group")
"""Columns that a file may call otherwise."""


@dataclass(frozen=True)
class Pairs:
    """Prompts of both sides, each with its group: whatever is tied, through pairs, repeated prompts or near-duplicates.

    Attributes:
        notes: what was merged or left out, and how the file was read, a sentence each.
        options: what both prompt sets need besides their file and label so that every split gets enough of each side.
    """

    harmful: list[tuple[str, str]]
    harmless: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)


def read_pairs(
    path: Path | Sequence[Path], near_duplicate: float = OPTIONS.near_duplicate, columns: Mapping[str, str] | None = None
) -> Pairs:
    """Read pairs from a CSV, TSV, JSONL, JSON or Parquet file, from a workbook, or from two TXT files with a prompt a line.

    Either one pair a row (columns ``harmful`` and ``harmless``) or one prompt a row (``prompt`` and ``label`` or a column of
    yes and no; see ``prompts_of``); optionally ``pair`` and ``group``, which tie rows. A prompt that stands in several rows
    is kept once, with everything that its rows were tied to.

    Args:
        path: one file, or the harmful and the harmless prompts, which are in no pairs then.
        near_duplicate: Jaccard similarity of character 5-grams from which two prompts of a side are in one group.
        columns: what the file calls some of these columns, such as {"harmful": "positive"}.

    Raises:
        DataError: neither form, no text where a prompt should be, an unknown label, a prompt on both sides, or too few prompts
            on a side.
    """
    notes: list[str] = []
    rows, path = rows_of([path] if isinstance(path, Path) else path, notes)
    prompts = prompts_of(renamed(rows, columns or {}, path), path, notes)
    table = keep_once(prompts, notes.append)
    sides = {label: table[table["label"] == label] for label in SIDES}
    for label, side in sides.items():
        if len(side) < LEAST:
            repeated = int((prompts["label"] == label).sum()) - len(side)
            raise DataError(
                found=f"{len(side)} {'different ' if repeated else ''}{label} prompts"
                + (f", and {repeated} that repeat one of them" if repeated else ""),
                expected=f"at least {LEAST}",
                where=str(path),
                remedy="directions, their choice and their test need prompts of their own: add some",
            )
    shared = {label: shared_wording(side["prompt"].tolist()) for label, side in sides.items()}
    notes += [f"{label}: {note}" for label in SIDES if (note := shared[label].note())]

    def alike(threshold: float) -> pd.DataFrame:
        links = [find_near_duplicates(side, threshold, shared[label]) for label, side in sides.items()]
        return pd.concat(links, ignore_index=True)

    links = alike(near_duplicate)
    splitting = Splitting(OPTIONS.splits.model_dump(), OPTIONS.seed, near_duplicate, OPTIONS.minimum, each_label=True)
    seed = splitting.first_seed(table, links)
    if seed is None and (problem := too_small(table, alike, splitting, str(path), _command_line)):
        raise problem
    if note := merged_note(table, links, near_duplicate):
        notes.append(note)
    options: dict[str, object] = {} if near_duplicate == OPTIONS.near_duplicate else {"near_duplicate": near_duplicate}
    if seed != OPTIONS.seed:
        options["seed"] = seed
        notes.append(f"split with seed {seed}, the first that gives every split {OPTIONS.minimum} prompts of each side")
    merged = merge_groups(table, zip(links["id_a"], links["id_b"], strict=True))
    harmful, harmless = (merged[merged["label"] == label] for label in SIDES)
    return Pairs(
        list(zip(harmful["group"], harmful["prompt"], strict=True)),
        list(zip(harmless["group"], harmless["prompt"], strict=True)),
        notes,
        options,
    )


def renamed(rows: list[Row], columns: Mapping[str, str], path: Path) -> list[Row]:
    """The rows with a file's own names of columns replaced by ours.

    A column that already bears one of the names that are given is left out: what the caller says comes first.

    Raises:
        DataError: a name that is none of ours, or a column that no row has.
    """
    if unknown := sorted(set(columns) - {*NAMED}):
        raise DataError(
            found=f"{unknown[0]}={columns[unknown[0]]}",
            expected=f"one of {', '.join(NAMED)}, and after = the file's own name of it",
            where="--columns",
            remedy="such as --columns harmful=positive harmless=negative",
        )
    present = sorted({name for _, row in rows for name in row})
    if absent := sorted(theirs for theirs in columns.values() if not has_column(present, theirs)):
        raise DataError(
            found=f"columns {present}",
            expected=f"also {absent[0]!r}",
            where=str(path),
            remedy="correct --columns: names of the file",
        )
    theirs = {plain_name(name): ours for ours, name in columns.items()}
    replaced = {plain_name(ours) for ours in columns} - set(theirs)
    return [
        (place, {theirs.get(plain_name(name), name): cell for name, cell in row.items() if plain_name(name) not in replaced})
        for place, row in rows
    ]


def write_sets(pairs: Pairs, folder: Path) -> dict[str, Path]:
    """Write ``harmful.csv`` and ``harmless.csv`` (id, prompt, group, pair) into a folder.

    What is tied shares a group on both sides, and so a split. It bears the same name as a pair, which later steps keep even
    where they merge groups.
    """
    found = {}
    for name in SIDES:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "prompt", "group", "pair"])
        writer.writerows([digest([name, prompt])[:16], prompt, group, group] for group, prompt in getattr(pairs, name))
        found[name] = folder / f"{name}.csv"
        write_text(found[name], text.getvalue())
    return found


def _command_line(option: str, value: float) -> str:
    return f"--{option.replace('_', '-')} {value:g}"
