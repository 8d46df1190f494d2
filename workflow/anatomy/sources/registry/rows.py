"""Rows of a set in the columns of a prompt table, whatever form its files have."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from anatomy.config.data import Data
from anatomy.errors import DataError
from anatomy.sources.prompts.formats import Row, read_rows
from anatomy.sources.prompts.wording import normal_wording
from anatomy.sources.registry.entry import SPLITS, Entry, File
from anatomy.sources.registry.fetch import check_bytes
from anatomy.sources.registry.location import local_path
from anatomy.store.json_objects import JsonObject


def prompt_rows(
    data: Data,
    name: str,
    entry: Entry,
    subset: str | None,
    *,
    published: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> list[tuple[Path, list[Row]]]:
    """Rows of each file of a set, with the place each came from, in our columns alone.

    Args:
        published: whether rows keep the published split of their file.
        say: told what is left out.

    Raises:
        DataError: a file is missing or not the pinned one, lacks a column, or has not as many rows as the registry says.
    """
    found = []
    for file in entry.files:
        path = local_path(data, name, file)
        if not path.is_file():
            raise DataError(
                found="no such file",
                expected=f"a file of the data set {name}",
                where=str(path),
                remedy="run `snakemake prefetch` with the same configuration",
            )
        check_bytes(path, file)
        rows = read_form(path, entry.form)
        _count(len(rows), file.rows, str(path))
        kept = [(place, {**row, **file.values}) for place, row in rows]
        _check_columns(path, kept, entry, subset)
        kept = [(place, row) for place, row in kept if _chosen(row, entry.where)]
        found.append((path, file, kept))
    _count(sum(len(rows) for _, _, rows in found), entry.rows, f"data set {name}")
    part = entry.subsets[subset] if subset else None
    if part:
        found = [(path, file, [(place, row) for place, row in rows if _chosen(row, part.where)]) for path, file, rows in found]
        _count(sum(len(rows) for _, _, rows in found), part.rows, f"data set {name}/{subset}")
    source = f"{name}/{subset}" if subset else name
    named = _named(name)
    ours = [
        (path, [(place, named({**_ours(row, entry, file if published else None), "source": source})) for place, row in rows])
        for path, file, rows in found
    ]
    return [(path, rows) for path, rows in without_leaks(ours, say) if rows]


def without_leaks(files: list[tuple[Path, list[Row]]], say: Callable[[str], None]) -> list[tuple[Path, list[Row]]]:
    """Leave out prompts whose wording stands in a later published split too: the test split stays whole, as published.

    Arditi et al. filter their splits in the same order, by identical text; some prompts that differ in case or punctuation
    alone are left between them.
    """
    later: dict[str, int] = {}
    for _, rows in files:
        for _, row in rows:
            if row.get("split"):
                wording = normal_wording(str(row["prompt"]))
                later[wording] = max(later.get(wording, 0), SPLITS.index(row["split"]))
    kept = [
        (
            path,
            [
                (place, row)
                for place, row in rows
                if not row.get("split") or SPLITS.index(row["split"]) == later[normal_wording(str(row["prompt"]))]
            ],
        )
        for path, rows in files
    ]
    left = sum(len(rows) for _, rows in files) - sum(len(rows) for _, rows in kept)
    if left:
        say(f"{left} prompts left out: their wording stands in a later published split too")
    return kept


def read_form(path: Path, form: str) -> list[Row]:
    """Rows of one file; forms without columns give one column, ``prompt``."""
    if form == "table":
        return read_rows(path)
    text = path.read_bytes().decode("utf-8-sig")
    try:
        if form == "json lines":
            lines = [(f"line {n}", line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
            return [(place, json.loads(line)) for place, line in lines]
        if form == "lines":
            return [(f"line {n}", {"prompt": line.strip()}) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        if form == "strings":
            return [(f"row {n}", {"prompt": prompt}) for n, prompt in enumerate(json.loads(text), 1)]
    except (json.JSONDecodeError, TypeError) as error:
        raise DataError(found=f"malformed JSON ({error})", expected=form, where=str(path)) from None
    records = csv.reader(text.splitlines(keepends=True))
    return [(f"record {n}", {"prompt": record[0]}) for n, record in enumerate(records, 1) if record and record[0].strip()]


def _check_columns(path: Path, rows: list[Row], entry: Entry, subset: str | None) -> None:
    present = {name for _, row in rows for name in row}
    wanted = {*entry.columns, *entry.where, *(entry.subsets[subset].where if subset else ())}
    if absent := sorted(wanted - present):
        raise DataError(
            found=f"columns {sorted(present)}",
            expected=f"also {absent}",
            where=str(path),
            remedy="the set's form has changed: its entry in the registry needs a look",
        )


def _chosen(row: JsonObject, where: dict[str, list[str]]) -> bool:
    return all(("" if row.get(name) is None else str(row[name])).strip() in kept for name, kept in where.items())


def _ours(row: JsonObject, entry: Entry, file: File | None) -> JsonObject:
    found = {ours: row.get(theirs) for theirs, ours in entry.columns.items()}
    if "label" in found:
        found["label"] = entry.labels.get(str(found["label"]), found["label"])
    if entry.label:
        found["label"] = entry.label
    return {**found, **({"split": file.split} if file and file.split else {})}


def _named(name: str) -> Callable[[JsonObject], JsonObject]:
    """Gives rows without an id one from their content; prompts that a published set holds twice are kept and told apart."""
    seen: Counter[str] = Counter()

    def with_id(row: JsonObject) -> JsonObject:
        if row.get("id") not in (None, ""):
            return row
        content = hashlib.sha256(str(row["prompt"]).encode()).hexdigest()[:16]
        seen[content] += 1
        return {**row, "id": f"{name}-{content}" + (f"-{seen[content]}" if seen[content] > 1 else "")}

    return with_id


def _count(found: int, expected: int | None, where: str) -> None:
    if expected is not None and found != expected:
        raise DataError(
            found=f"{found} rows",
            expected=f"{expected} rows, as the registry says",
            where=where,
            remedy="the source has changed, or the registry's entry is wrong; compare them before trusting either",
        )
