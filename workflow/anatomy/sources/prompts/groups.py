"""Groups: rows that belong to one item, so that no split may part them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def with_value(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows that have a value in the column; an empty string counts as no value."""
    return table[table[column].fillna("").ne("")]


def merge_groups(table: pd.DataFrame, linked: Iterable[tuple[str, str]] = ()) -> pd.DataFrame:
    """Merge groups that share a pair, and those of linked rows; return the table with the merged `group`.

    A merged group bears the smallest name among its parts, so the result does not depend on the order of rows.

    Args:
        table: prompt table with id, group and, where known, pair.
        linked: pairs of ids that belong together, such as near-duplicates.
    """
    parent = {group: group for group in table["group"]}

    def find(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    def unite(left: str, right: str) -> None:
        low, high = sorted((find(left), find(right)))
        parent[high] = low

    if "pair" in table:
        for _, groups in with_value(table, "pair").groupby("pair")["group"]:
            for group in groups.iloc[1:]:
                unite(groups.iloc[0], group)
    group_of = dict(zip(table["id"], table["group"], strict=True))
    for left, right in linked:
        unite(group_of[left], group_of[right])
    return table.assign(group=pd.Series([find(group) for group in table["group"]], index=table.index, dtype="str"))
