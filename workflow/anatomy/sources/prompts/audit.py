"""Audit: which prompts occur twice, in a set, between its splits, or between sets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import pandas as pd

from anatomy.sources.prompts.groups import merge_groups as _merge_linked
from anatomy.sources.prompts.wording import normal_wording, similar_pairs

KINDS = ("exact", "normalised", "near")


def find_near_duplicates(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Find pairs of rows whose prompts share character 5-grams with a Jaccard similarity of at least `threshold`.

    Returns:
        Columns id_a, id_b, similarity (1 for prompts that differ in case, spacing or punctuation only), kind (exact,
        normalised or near), in the order of the rows.
    """
    ids, prompts = list(table["id"]), list(table["prompt"])
    pairs = similar_pairs(prompts, threshold)
    return pd.DataFrame(
        {
            "id_a": pd.Series([ids[i] for i, _, _ in pairs], dtype="str"),
            "id_b": pd.Series([ids[j] for _, j, _ in pairs], dtype="str"),
            "similarity": pd.Series([similarity for _, _, similarity in pairs], dtype="float64"),
            "kind": pd.Series([_kind(prompts[i], prompts[j]) for i, j, _ in pairs], dtype="str"),
        }
    )


def merge_groups(table: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Give duplicates (columns id_a, id_b) and members of a pair one group, so that no split parts them."""
    return _merge_linked(table, zip(duplicates["id_a"], duplicates["id_b"], strict=True))


def audit(tables: Mapping[str, pd.DataFrame], threshold: float) -> pd.DataFrame:
    """Count overlap within and between the parts (set and split) of several prompt tables.

    Args:
        tables: prompt tables by set name; a table without `split` is one part.
        threshold: Jaccard similarity from which two prompts are near-duplicates.

    Returns:
        One row a pair of parts and kind (exact, normalised, near; a pair of prompts counts in the first that fits):
        set_a, split_a, set_b, split_b, kind, n_pairs, and n_a, n_b, the rows concerned on either side. Zeros are kept:
        they say that it was looked for.
    """
    parts: list[tuple[str, str]] = []
    prompts: list[str] = []
    part_of: list[int] = []
    for name, table in tables.items():
        splits = table["split"] if "split" in table else pd.Series([""] * len(table), index=table.index)
        for split, rows in table.groupby(splits.fillna(""), sort=True):
            parts.append((name, str(split)))
            prompts.extend(rows["prompt"])
            part_of.extend([len(parts) - 1] * len(rows))
    hits: dict[tuple[int, int, str], list[tuple[int, int]]] = {}
    for i, j, _ in similar_pairs(prompts, threshold):
        hits.setdefault((part_of[i], part_of[j], _kind(prompts[i], prompts[j])), []).append((i, j))
    rows = []
    for a, b in combinations_with_replacement(range(len(parts)), 2):
        for kind in KINDS:
            found = hits.get((a, b, kind), [])
            left, right = {i for i, _ in found}, {j for _, j in found}
            if a == b:
                left = right = left | right
            rows.append((*parts[a], *parts[b], kind, len(found), len(left), len(right)))
    return pd.DataFrame(rows, columns=["set_a", "split_a", "set_b", "split_b", "kind", "n_pairs", "n_a", "n_b"])


def _kind(left: str, right: str) -> str:
    if left == right:
        return "exact"
    return "normalised" if normal_wording(left) == normal_wording(right) else "near"
