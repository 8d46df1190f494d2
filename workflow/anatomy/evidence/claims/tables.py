"""The workflow's tables as evidence, and how a variant is found in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError


class MissingEvidence(DataError):
    """The tables do not hold what a claim needs; the claim is then not testable here."""


CUTS = {"judgements": ("model", "variant", "set"), "samples": ("model", "variant", "task"), "variants": ("model",)}


@dataclass(frozen=True)
class Tables:
    """The tables of a run; one that was not made is None. Columns as in workflow/README.md."""

    completions: pd.DataFrame | None = None
    judgements: pd.DataFrame | None = None
    samples: pd.DataFrame | None = None
    variants: pd.DataFrame | None = None
    grid: pd.DataFrame | None = None
    screen: pd.DataFrame | None = None
    projections: pd.DataFrame | None = None
    measures: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    layers: pd.DataFrame | None = None
    swap: pd.DataFrame | None = None
    operating: pd.DataFrame | None = None
    geometry: pd.DataFrame | None = None
    writers: pd.DataFrame | None = None
    # a ledger reads the same rows over and over, so each table is cut once by the columns that every reader names
    _cuts: dict[str, dict[tuple, pd.DataFrame]] = field(init=False, default_factory=dict, repr=False, compare=False)
    _read: dict[Hashable, pd.DataFrame] = field(init=False, default_factory=dict, repr=False, compare=False)
    _left_out: dict[tuple[str, object], str] = field(init=False, default_factory=dict, repr=False, compare=False)

    def without(self, column: str, reasons: Mapping[str, str]) -> Tables:
        """These tables, knowing why rows of some sets or tasks are not there: what asks for them is told."""
        other = replace(self)
        more: dict[tuple[str, object], str] = {(column, name): reason for name, reason in reasons.items()}
        other._left_out.update(self._left_out | more)
        return other

    def rows(self, table: str, **where: object) -> pd.DataFrame:
        """Rows of a table in which every named column equals the given value.

        Raises:
            MissingEvidence: the table was not made, or no row matches.
        """
        frame: pd.DataFrame | None = getattr(self, table)
        named = ", ".join(f"{column} {value}" for column, value in where.items())
        reason = next((f" ({self._left_out[part]})" for part in where.items() if part in self._left_out), "")
        if frame is None:
            raise MissingEvidence(found=f"no such table{reason}", expected=f"rows with {named}", where=f"table {table}")
        total = len(frame)
        if table in CUTS and set(CUTS[table]) <= set(where):
            frame = self._cut(table, frame, tuple(where[column] for column in CUTS[table]))
            where = {column: value for column, value in where.items() if column not in CUTS[table]}
        keep = pd.Series(True, index=frame.index)
        for column, value in where.items():
            keep &= frame[column] == value
        if not keep.any():
            raise MissingEvidence(found=f"no row among {total}{reason}", expected=f"rows with {named}", where=f"table {table}")
        return frame[keep]

    def remembered(self, key: Hashable, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """What `read` returned for this key before, else what it returns now; for pure reads of these tables only."""
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]

    def _cut(self, table: str, frame: pd.DataFrame, key: tuple) -> pd.DataFrame:
        if table not in self._cuts:
            self._cuts[table] = dict(tuple(frame.groupby(list(CUTS[table]), sort=False)))
        return self._cuts[table].get(key, frame.iloc[:0])


def read_tables(paths: dict[str, list[Path]]) -> Tables:
    """Read and concatenate the Parquet files of each table; a table without files stays None."""
    known = {entry.name for entry in fields(Tables) if entry.init}
    if unknown := sorted(set(paths) - known):
        raise DataError(found=f"tables {unknown}", expected=f"some of {sorted(known)}", where="the tables of a run")
    read = {name: [pd.read_parquet(path) for path in files] for name, files in paths.items()}
    return Tables(**{name: pd.concat(frames, ignore_index=True) for name, frames in read.items() if frames})


@dataclass(frozen=True)
class VariantSelector:
    """Finds a variant of a model by what it is, so that a recipe needs no variant id. None matches anything."""

    role: str
    family: str | None = None
    form: str | None = None

    def describe(self) -> str:
        """The selector in words."""
        return " ".join(part for part in (self.role, self.family, self.form) if part)


BASE = VariantSelector("base")


def find_variant(tables: Tables, model: str, selector: VariantSelector, phase: str) -> pd.Series:
    """The one row of the variants table that a selector names.

    Raises:
        MissingEvidence: none matches, or several do.
    """
    where = {"model": model, "role": selector.role, "phase": phase}
    where |= {key: value for key, value in (("family", selector.family), ("form", selector.form)) if value is not None}
    rows = tables.rows("variants", **where).drop_duplicates("variant")
    if len(rows) > 1:
        raise MissingEvidence(
            found=f"{len(rows)} variants: {', '.join(map(str, rows['variant'][:5]))}",
            expected=f"exactly one {selector.describe()} variant of {model} in phase {phase}",
            where="table variants",
            remedy="name the family and form of the variant that is meant",
        )
    return rows.iloc[0]


def find_controls(tables: Tables, method: pd.Series) -> list[str]:
    """Ids of the controls of a method's variant: same model and phase, of its family, else of its form.

    Controls of the method's own family went through the same search. Only where a family has none do those of the
    same form stand in.
    """
    try:
        rows = tables.rows("variants", model=method["model"], phase=method["phase"], role="control")
    except MissingEvidence:
        return []
    for column in ("family", "form"):
        same = rows[rows[column] == method[column]]
        if len(same):
            return sorted(same["variant"].unique())
    return []
