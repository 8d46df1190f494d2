"""The workflow's tables as evidence, and how a variant is found in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError


class MissingEvidence(DataError):
    """The tables do not hold what a claim needs; the claim is then not testable here.

    Attributes:
        because: why not, in a sentence of its own, where the run knows it; else empty.
    """

    def __init__(self, *, found: str, expected: str, where: str, remedy: str = "", because: str = "") -> None:
        super().__init__(found=found, expected=expected, where=where, remedy=remedy)
        self.because = because

    @property
    def reason(self) -> str:
        """What a reader of a verdict is told."""
        return self.because or f"{self.where}: {self.found}; needed: {self.expected}"


NOUNS = {
    "variants": "edited or unedited variant",
    "judgements": "judged answer",
    "samples": "benchmark item",
    "completions": "answer",
    "projections": "projection",
    "divergences": "divergence",
    "grid": "candidate direction",
    "screen": "screened edit",
    "picks": "candidate edit",
}
"""What a row of a table is."""


CUTS = {"judgements": ("model", "variant", "set"), "samples": ("model", "variant", "task"), "variants": ("model",)}


NO_SEED = -1
"""Stands in the ledger for models of your own, which have no organism seed."""


class Tables:
    """The tables of a run by name, each row with its model. Columns as in workflow/README.md; a table that was not made is None.

    A ledger reads the same rows over and over, so each table is cut once by the columns that every reader names.
    """

    def __init__(self, **named: pd.DataFrame | None) -> None:
        self.named: dict[str, pd.DataFrame] = {name: table for name, table in named.items() if table is not None}
        self._cuts: dict[str, dict[tuple, pd.DataFrame]] = {}
        self._read: dict[Hashable, pd.DataFrame] = {}
        self._left_out: dict[tuple[str, object], str] = {}
        self._absent: dict[tuple[str, str], str] = {}

    def __getattr__(self, name: str) -> pd.DataFrame | None:
        if name.startswith("_") or name == "named":
            raise AttributeError(name)
        return self.named.get(name)

    def but(self, **named: pd.DataFrame | None) -> Tables:
        """These tables with some others in their place."""
        return self._as({**self.named, **named})

    def _as(self, named: Mapping[str, pd.DataFrame | None]) -> Tables:
        other = Tables(**named)
        other._left_out, other._absent = dict(self._left_out), dict(self._absent)
        return other

    def without(self, column: str, reasons: Mapping[str, str]) -> Tables:
        """These tables, knowing why rows of some sets or tasks are not there: what asks for them is told."""
        other = self._as(self.named)
        other._left_out.update({(column, name): reason for name, reason in reasons.items()})
        return other

    def knowing(self, absent: Mapping[tuple[str, str], str]) -> Tables:
        """These tables, knowing why a model has no variants of a family or no scores of a table: claims about them say so.

        Args:
            absent: (model, family of variants or name of a table) to a sentence.
        """
        other = self._as(self.named)
        other._absent.update(absent)
        return other

    def why_absent(self, model: str, what: str | None) -> str:
        """The sentence that says why something of a model is not there; empty where none is known."""
        return self._absent.get((model, what or ""), "")

    def rows(self, table: str, **where: object) -> pd.DataFrame:
        """Rows of a table in which every named column equals the given value.

        Raises:
            MissingEvidence: the table was not made, or no row matches.
        """
        frame, noun = self.named.get(table), NOUNS.get(table, "row")
        named = ", ".join(f"{column} {value}" for column, value in where.items())
        reason = next((f" ({self._left_out[part]})" for part in where.items() if part in self._left_out), "")
        if frame is None:
            raise MissingEvidence(
                found=f"nothing was measured{reason}", expected=f"at least one {noun} with {named}", where=f"table {table}"
            )
        total = len(frame)
        if table in CUTS and set(CUTS[table]) <= set(where):
            frame = self._cut(table, frame, tuple(where[column] for column in CUTS[table]))
            where = {column: value for column, value in where.items() if column not in CUTS[table]}
        keep = pd.Series(True, index=frame.index)
        for column, value in where.items():
            keep &= frame[column] == value
        if not keep.any():
            raise MissingEvidence(
                found=f"none among {total} rows{reason}", expected=f"at least one {noun} with {named}", where=f"table {table}"
            )
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


def of_models(tables: Tables, models: Set[str]) -> Tables:
    """Only the rows of some models: seeds are shown one by one, never pooled."""
    return tables.but(**{name: table[table["model"].isin(models)] for name, table in tables.named.items()})


def read_tables(paths: Mapping[str, Sequence[Path]]) -> Tables:
    """Read and concatenate the Parquet files of each table; a table without files stays None."""
    read = {name: [pd.read_parquet(path) for path in files] for name, files in paths.items()}
    return Tables(**{name: pd.concat(frames, ignore_index=True) for name, frames in read.items() if frames})


ROLES = {"base": "unedited", "method": "with the edit", "measure": "under the intervention", "control": "with the control"}
"""How sentences speak of variants of a role."""


@dataclass(frozen=True)
class VariantSelector:
    """Finds a variant of a model by what it is, so that a recipe needs no variant id. None matches anything."""

    role: str
    family: str | None = None
    form: str | None = None

    def describe(self) -> str:
        """The selector in words, after the name of a model."""
        named = dict.fromkeys(part for part in (self.family, self.form) if part)
        return " ".join([ROLES.get(self.role, f"as {self.role}"), *named])


BASE = VariantSelector("base")


def find_variant(tables: Tables, model: str, selector: VariantSelector, phase: str) -> pd.Series:
    """The one row of the variants table that a selector names.

    Raises:
        MissingEvidence: none matches, or several do.
    """
    where = {"model": model, "role": selector.role, "phase": phase}
    where |= {key: value for key, value in (("family", selector.family), ("form", selector.form)) if value is not None}
    try:
        rows = tables.rows("variants", **where).drop_duplicates("variant")
    except MissingEvidence as missing:
        raise MissingEvidence(
            found=f"no answers of {model} {selector.describe()}",
            expected=f"one such variant in phase {phase}",
            where="this run",
            because=tables.why_absent(model, selector.family or selector.form)
            or f"this run has no answers of {model} {selector.describe()}",
        ) from missing
    if len(rows) > 1:
        raise MissingEvidence(
            found=f"{len(rows)} variants: {', '.join(map(str, rows['variant'][:5]))}",
            expected=f"exactly one variant of {model} {selector.describe()} in phase {phase}",
            where="table variants",
            remedy="name the family and form of the variant that is meant",
        )
    return rows.iloc[0]


def find_controls(tables: Tables, method: pd.Series) -> list[str]:
    """Ids of the controls of a method's variant: same model and phase, of its family, else of its form.

    Controls of the method's own family went through the same search. Only where a family has none do those of the
    same form stand in, and for a form along another contrast (``row_mean@theirs``) those of the form itself.
    """
    try:
        rows = tables.rows("variants", model=method["model"], phase=method["phase"], role="control")
    except MissingEvidence:
        return []
    named = [(column, str(method[column])) for column in ("family", "form")]
    for column, name in [*named, ("form", named[1][1].partition("@")[0])]:
        same = rows[rows[column] == name]
        if len(same):
            return sorted(same["variant"].unique())
    return []
