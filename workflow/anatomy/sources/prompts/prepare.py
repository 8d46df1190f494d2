"""From prompt files to a prompt table: read, audit, split, check, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.audit import audit, find_near_duplicates, merge_groups
from anatomy.sources.prompts.formats import Row
from anatomy.sources.prompts.split import assign_splits, check_splits, limit_rows
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


def read_sources(spec: PromptSetSpec) -> pd.DataFrame:
    """Read all files of a set into one table.

    Raises:
        DataError: a bad file, or an id in two files.
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
        )
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    repeated = joined["id"][joined["id"].duplicated()]
    if len(repeated):
        raise DataError(
            found=f"id {repeated.iloc[0]!r} in more than one file ({len(repeated)} in all)",
            expected="ids that differ between the files of a set",
            where=f"prompt set {spec.name!r}",
            remedy="rename them, or set `derive_ids`",
        )
    return joined


def _joinable(table: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Leave out near-duplicates that a published split parts: the split wins, and the audit reports them."""
    if "split" not in table:
        return duplicates
    split_of = table.set_index("id")["split"]
    left, right = duplicates["id_a"].map(split_of), duplicates["id_b"].map(split_of)
    return duplicates[left.isna() | right.isna() | (left == right)]


def prepare_set(spec: PromptSetSpec, out_path: Path, audit_path: Path | None = None) -> pd.DataFrame:
    """Make a prompt set and write it, with its audit, whole or not at all.

    Args:
        spec: what to make.
        out_path: Parquet file of the prompt table, sorted by id.
        audit_path: JSON file of the audit; beside the table as `.audit.json` where None.

    Returns:
        The table as written.

    Raises:
        DataError: bad files, or splits that overlap or are too small.
    """
    table = read_sources(spec)
    duplicates = find_near_duplicates(table, spec.near_duplicate)
    table = assign_splits(merge_groups(table, _joinable(table, duplicates)), spec.shares, spec.seed)
    table = limit_rows(table, spec.limits, spec.seed).sort_values("id", ignore_index=True)
    check_splits(table, spec.minimum)
    overlap = audit({spec.name: table}, spec.near_duplicate)
    record = {
        "set": spec.name,
        "near_duplicate": spec.near_duplicate,
        "rows": len(table),
        "groups": int(table["group"].nunique()),
        "splits": {str(split): int(n) for split, n in table["split"].value_counts().sort_index().items()},
        "duplicates": duplicates["kind"].value_counts().sort_index().to_dict(),
        "overlap": overlap.to_dict(orient="records"),
    }
    out_path = Path(out_path)
    audit_path = Path(audit_path) if audit_path else out_path.with_suffix(".audit.json")
    write_json(audit_path, record)
    write_table(out_path, table)
    return table
