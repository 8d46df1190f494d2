"""Splits by group: no item on two sides, and no row's side depending on the other rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import isclose

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.groups import merge_groups, with_value
from anatomy.sources.prompts.table import SPLITS
from anatomy.sources.prompts.wording import normal_wording


def hash_fraction(seed: int, name: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the name alone (SHA-256)."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_splits(table: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.DataFrame:
    """Assign each group to a split by its hash; return the table with `group` merged over pairs and `split`.

    A split that the table already names wins, and takes the rest of its group with it.

    Args:
        table: prompt table.
        shares: expected share of groups in fit, select, test; sums to 1.
        seed: of the hash.

    Raises:
        DataError: shares that are no distribution, or a group published in two splits.
    """
    if set(shares) - set(SPLITS) or min(shares.values()) < 0 or not isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise DataError(found=f"shares {dict(shares)}", expected=f"shares of {SPLITS} summing to 1", where="the split")
    table = merge_groups(table)
    published = _published(table)
    sides = {group: published.get(group) or _side(hash_fraction(seed, group), shares) for group in table["group"].unique()}
    return table.assign(split=table["group"].map(sides).astype("str"))


def _published(table: pd.DataFrame) -> dict[str, str]:
    if "split" not in table:
        return {}
    given = with_value(table, "split")
    _check_unparted(given, "group")
    return dict(zip(given["group"], given["split"], strict=True))


def _side(fraction: float, shares: Mapping[str, float]) -> str:
    upper = 0.0
    for split in SPLITS:
        upper += shares.get(split, 0.0)
        if fraction < upper:
            return split
    return [split for split in SPLITS if shares.get(split, 0.0) > 0][-1]


def limit_rows(table: pd.DataFrame, limits: Mapping[str, int], seed: int) -> pd.DataFrame:
    """Keep at most `limits[split]` rows of each label in a split: whole groups, in the order of their hashes.

    Splits without a limit keep all rows. Which groups are kept does not depend on the order of rows.
    """
    kept: set[str] = set()
    for split, rows in table.groupby("split"):
        room: dict[str, int] = {}
        groups = {group: members["label"].fillna("").value_counts() for group, members in rows.groupby("group")}
        for group in sorted(groups, key=lambda name: (hash_fraction(seed, name), name)):
            needs = {label: int(n) for label, n in groups[group].items()}
            left = {label: room.get(label, limits[split]) - n if split in limits else 0 for label, n in needs.items()}
            if min(left.values()) >= 0:
                kept.add(group)
                room.update(left)
    return table[table["group"].isin(kept)].reset_index(drop=True)


def check_splits(table: pd.DataFrame, minimum: int | Mapping[str, int] = 1) -> None:
    """Refuse splits that share a group, a pair or a wording, or that are smaller than the stated minimum.

    Args:
        table: prompt table with `split`, and with `place` where it is known.
        minimum: rows that each split must have, or that each named split must have.

    Raises:
        DataError: naming the first offending group, pair or pair of ids, with the places of its rows.
    """
    for column in ("group", "pair"):
        if column in table:
            _check_unparted(with_value(table, column), column)
    _check_wording(table)
    for split, size, least in small_splits(table, minimum):
        raise DataError(
            found=f"{size} rows",
            expected=f"at least {least}",
            where=f"split {split!r}",
            remedy="add prompts, change the shares or the seed, or lower the minimum",
        )


def small_splits(table: pd.DataFrame, minimum: int | Mapping[str, int]) -> list[tuple[str, int, int]]:
    """The splits that have fewer rows than they must, each with its rows and that minimum."""
    wanted = {split: minimum for split in SPLITS} if isinstance(minimum, int) else dict(minimum)
    sizes = table["split"].value_counts()
    return [(split, int(sizes.get(split, 0)), least) for split, least in wanted.items() if sizes.get(split, 0) < least]


def _check_unparted(table: pd.DataFrame, column: str) -> None:
    sides = table.groupby(column)["split"].unique()
    parted = sides[sides.map(len) > 1]
    if len(parted):
        rows = table[table[column] == parted.index[0]].drop_duplicates("split")
        raise DataError(
            found=f"{column} {parted.index[0]!r} in {' and '.join(sorted(parted.iloc[0]))} ({len(parted)} in all)",
            expected=f"each {column} in one split",
            where=_places(rows),
            remedy=f"drop the published split of these rows, or give those that do not belong together another {column}",
        )


def _check_wording(table: pd.DataFrame) -> None:
    seen: dict[str, int] = {}
    for number, (prompt, split) in enumerate(zip(table["prompt"], table["split"], strict=True)):
        other = seen.setdefault(normal_wording(prompt), number)
        if table["split"].iloc[other] != split:
            rows = table.iloc[[other, number]]
            (one, of_one), (two, of_two) = zip(rows["id"], rows["split"], strict=True)
            raise DataError(
                found=f"ids {one!r} ({of_one}) and {two!r} ({of_two}) with the same wording: {prompt.strip()[:60]!r}",
                expected="splits without common prompts",
                where=_places(rows),
                remedy="remove one, or merge near-duplicates into one group",
            )


def _places(rows: pd.DataFrame) -> str:
    return " and ".join(rows["place"]) if "place" in rows else "the splits"
