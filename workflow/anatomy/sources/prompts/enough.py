"""Whether a set's splits are large enough, and what makes them larger where they are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.audit import merge_groups
from anatomy.sources.prompts.repeats import side_by_side
from anatomy.sources.prompts.split import assign_splits, limit_rows, small_splits

THRESHOLDS = (0.85, 0.9, 0.95, 1.0)
SEEDS = range(1, 41)


@dataclass(frozen=True)
class Splitting:
    """How a table is split.

    Attributes:
        shares: of fit, select, test, for rows without a published split.
        seed: of the split's hash.
        near_duplicate: Jaccard similarity from which prompts share a group.
        minimum: rows that each split, or each named split, must have.
        limits: rows of each label to keep at most, by split.
        each_label: the minimum is one of each label.
    """

    shares: Mapping[str, float]
    seed: int
    near_duplicate: float
    minimum: int | Mapping[str, int] = 1
    limits: Mapping[str, int] | None = None
    each_label: bool = False

    def split(self, table: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
        """The table with near-duplicates in one group, and with `split`, cut to the limits."""
        return self._split(merge_groups(table, joinable(table, duplicates)), self.seed)

    def small(self, table: pd.DataFrame, duplicates: pd.DataFrame) -> list[tuple[str, int, int]]:
        """Splits that are too small, each with its rows and its minimum."""
        return self._small(merge_groups(table, joinable(table, duplicates)), self.seed)

    def first_seed(self, table: pd.DataFrame, duplicates: pd.DataFrame) -> int | None:
        """The first seed, this one before all others, that makes every split large enough; None if none of a few does."""
        merged = merge_groups(table, joinable(table, duplicates))
        return next((seed for seed in (self.seed, *SEEDS) if not self._small(merged, seed)), None)

    def _split(self, merged: pd.DataFrame, seed: int) -> pd.DataFrame:
        return limit_rows(assign_splits(merged, self.shares, seed), self.limits or {}, seed)

    def _small(self, merged: pd.DataFrame, seed: int) -> list[tuple[str, int, int]]:
        done = self._split(merged, seed)
        parts = [rows for _, rows in done.groupby("label")] if self.each_label else [done]
        return [one for part in parts for one in small_splits(part, self.minimum)]


def joinable(table: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Near-duplicates without those that a published split parts: the split wins, and the audit reports them."""
    if "split" not in table:
        return duplicates
    split_of = table.set_index("id")["split"]
    left, right = duplicates["id_a"].map(split_of), duplicates["id_b"].map(split_of)
    return duplicates[left.isna() | right.isna() | (left == right)]


def merged_note(table: pd.DataFrame, duplicates: pd.DataFrame, near_duplicate: float) -> str | None:
    """What near-duplicates did to the groups of a table, with a pair of them; None where they joined no groups."""
    duplicates = joinable(table, duplicates)
    if duplicates.empty:
        return None
    before = merge_groups(table, duplicates.iloc[:0])["group"].nunique()
    groups = merge_groups(table, duplicates)["group"]
    if groups.nunique() == before:
        return None
    return (
        f"{before} groups of prompts became {groups.nunique()}, the largest of {groups.value_counts().iloc[0]} prompts, because "
        f"prompts that overlap by {near_duplicate:g} or more (near_duplicate) stay in one split, such as "
        f"{_example(table, groups, duplicates)}"
    )


def too_small(
    table: pd.DataFrame,
    alike: Callable[[float], pd.DataFrame],
    splitting: Splitting,
    where: str,
    option: Callable[[str, float], str],
) -> DataError | None:
    """The error about splits that are too small, with its cause and what mends it; None where all are large enough.

    Args:
        table: prompt table before it was split.
        alike: near-duplicates, as `find_near_duplicates` gives them, from a similarity on.
        where: the set and its files, as their user called them.
        option: how that user sets an option (`near_duplicate` or `seed`) to a value.
    """
    duplicates = alike(splitting.near_duplicate)
    found = splitting.small(table, duplicates)
    if not found:
        return None
    split, size, least = found[0]
    note = merged_note(table, duplicates, splitting.near_duplicate)
    higher = [value for value in THRESHOLDS if note and value > splitting.near_duplicate]
    mends = next((value for value in higher if not splitting.small(table, alike(value))), None)
    seed = splitting.first_seed(table, duplicates)
    remedies = [
        *([] if mends is None else [f"{option('near_duplicate', mends)} keeps enough of them apart"]),
        *([] if seed is None else [f"{option('seed', seed)} splits them so that every split has enough"]),
        "add prompts that differ more" if note else "add prompts, change the shares, or lower the minimum",
    ]
    return DataError(
        found=f"{size} rows in split {split!r}; {note or f'{len(table)} rows in all'}",
        expected=f"at least {least}" + (" of each label" if splitting.each_label else ""),
        where=where,
        remedy="; or ".join(remedies),
    )


def _example(table: pd.DataFrame, groups: pd.Series, duplicates: pd.DataFrame) -> str:
    """A pair out of the largest group."""
    group_of = dict(zip(table["id"], groups, strict=True))
    largest = groups.value_counts().index[0]
    inside = duplicates[duplicates["id_a"].map(group_of) == largest]
    pair = (inside if len(inside) else duplicates).sort_values("similarity", ascending=False, kind="stable").iloc[0]
    prompt_of = dict(zip(table["id"], table["prompt"], strict=True))
    return f"{side_by_side(prompt_of[pair['id_a']], prompt_of[pair['id_b']])} ({pair['similarity']:.2f})"
