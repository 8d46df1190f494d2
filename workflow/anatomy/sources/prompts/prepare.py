"""From prompt files to a prompt table: read, audit, split, check, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.audit import audit, find_near_duplicates
from anatomy.sources.prompts.enough import Splitting, merged_note, too_small
from anatomy.sources.prompts.formats import Row
from anatomy.sources.prompts.labels import HARMFUL, HARMLESS
from anatomy.sources.prompts.repeats import keep_once
from anatomy.sources.prompts.shared_wording import shared_wording
from anatomy.sources.prompts.split import check_splits
from anatomy.sources.prompts.table import read_prompts
from anatomy.store.files import write_json, write_table


@dataclass(frozen=True)
class PromptSource:
    """One file of a prompt set. `split` says that the file is a published split; `values` fills whole columns; `rows` are
    the file's, each with its place, where they have been read already."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    derive_ids: bool = False
    rows: list[Row] | None = None


@dataclass(frozen=True)
class PromptSetSpec:
    """How a prompt set is made.

    Attributes:
        name: of the set.
        sources: its files.
        shares: of fit, select, test, for rows without a published split.
        seed: of the split's hash.
        near_duplicate: Jaccard similarity of character 5-grams from which prompts share a group; 1.0 merges only
            prompts with the same shingles.
        minimum: rows that each split, or each named split, must have.
        limits: rows of each label to keep at most, by split.
        require_label: refuse rows without a label.
        root: folder that the files must lie in.
        keep_repeats: keep rows that repeat a prompt, as published sets are counted with them; else the first is kept.
    """

    name: str
    sources: tuple[PromptSource, ...]
    shares: Mapping[str, float]
    seed: int
    near_duplicate: float
    minimum: int | Mapping[str, int] = 1
    limits: Mapping[str, int] = field(default_factory=dict)
    require_label: bool = False
    root: Path | None = None
    keep_repeats: bool = False


def read_sources(spec: PromptSetSpec, say: Callable[[str], None]) -> pd.DataFrame:
    """Read all files of a set into one table, in which a prompt stands once.

    Raises:
        DataError: a bad file, a prompt on two sides, or an id of two prompts.
    """
    tables = []
    for source in spec.sources:
        table = read_prompts(
            source.path,
            source.columns,
            spec.name,
            values={**source.values, **({"split": source.split} if source.split else {})},
            derive_ids=source.derive_ids,
            require_label=spec.require_label,
            root=spec.root,
            rows=source.rows,
            say=say,
        )
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    if not spec.keep_repeats:
        joined = keep_once(joined, lambda text: say(f"{spec.name}: {text}"))
    repeated = joined[joined["id"].duplicated(keep=False)]
    if len(repeated):
        row = repeated.iloc[0]
        rows = repeated[repeated["id"] == row["id"]]
        raise DataError(
            found=f"id {row['id']!r} of several rows ({repeated['id'].nunique()} such ids in all)",
            expected="ids that differ between the rows and files of a set",
            where=f"prompt set {spec.name!r}: {' and '.join(rows['place'].iloc[:2])}",
            remedy="rename them, or set `derive_ids`; a prompt that stands in two published splits is removed from one",
        )
    return joined


def _say_labels(table: pd.DataFrame, spec: PromptSetSpec, say: Callable[[str], None]) -> None:
    """Labels that nobody here knows count as harmful: a misspelt one would put a prompt on the wrong side."""
    known = {*HARMFUL, *HARMLESS, *(source.values.get("label") for source in spec.sources)}
    for label, number in table["label"].dropna().value_counts().items():
        if label not in known:
            words = ", ".join(HARMLESS)
            say(f"{spec.name}: {number} prompts with the label {label!r} count as harmful; harmless ones are {words}")


def prepare_set(
    spec: PromptSetSpec,
    out_path: Path,
    audit_path: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Make a prompt set and write it, with its audit, whole or not at all.

    Args:
        spec: what to make.
        out_path: Parquet file of the prompt table, sorted by id.
        audit_path: JSON file of the audit; beside the table as `.audit.json` where None.
        say: told what was merged or left out, and how files were read where that is not as a matter of course.

    Returns:
        The table as written.

    Raises:
        DataError: bad files, or splits that overlap or are too small.
    """
    table = read_sources(spec, say)
    if spec.require_label:
        _say_labels(table, spec, say)
    shared = shared_wording(table["prompt"].tolist())
    duplicates = find_near_duplicates(table, spec.near_duplicate, shared)
    splitting = Splitting(spec.shares, spec.seed, spec.near_duplicate, spec.minimum, spec.limits)
    files = ", ".join(dict.fromkeys(str(source.path) for source in spec.sources))
    problem = too_small(
        table,
        lambda threshold: duplicates if threshold == spec.near_duplicate else find_near_duplicates(table, threshold, shared),
        splitting,
        f"prompt set {spec.name!r} ({files})",
        "`{}: {:g}`".format,
    )
    if problem:
        raise problem
    for note in (shared.note(), merged_note(table, duplicates, spec.near_duplicate)):
        if note:
            say(f"{spec.name}: {note}")
    table = splitting.split(table, duplicates).sort_values("id", ignore_index=True)
    check_splits(table, spec.minimum)
    table = table.drop(columns="place")
    overlap = audit({spec.name: table}, spec.near_duplicate, shared)
    record = {
        "set": spec.name,
        "near_duplicate": spec.near_duplicate,
        "rows": len(table),
        "groups": int(table["group"].nunique()),
        "splits": {str(split): int(n) for split, n in table["split"].value_counts().sort_index().items()},
        "left_out_of_likeness": {"beginning": " ".join(shared.beginning), "end": " ".join(shared.end)},
        "overlap": overlap.to_dict(orient="records"),
    }
    out_path = Path(out_path)
    audit_path = Path(audit_path) if audit_path else out_path.with_suffix(".audit.json")
    write_json(audit_path, record)
    write_table(out_path, table)
    return table
