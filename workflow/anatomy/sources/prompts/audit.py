"""Audit: which prompts occur twice, in a set, between its splits, or between sets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from anatomy.sources.prompts.groups import merge_groups as _merge_linked
from anatomy.sources.prompts.likeness import linking_pairs, similar_rows
from anatomy.sources.prompts.shared_wording import SharedWording, shared_wording
from anatomy.sources.prompts.wording import normal_wording

KINDS = ("exact", "normalised", "near")


def find_near_duplicates(table: pd.DataFrame, threshold: float, shared: SharedWording | None = None) -> pd.DataFrame:
    """Find pairs of rows that link all prompts whose character 5-grams have a Jaccard similarity of at least `threshold`.

    Likeness is measured without what most prompts share (`shared`; None: what this table's do). Of prompts that are alike in
    a chain or a ring, no more pairs are given than link them.

    Returns:
        Columns id_a, id_b, similarity (1 for prompts that differ in case, spacing or punctuation only), kind (exact,
        normalised or near), in the order of the rows.
    """
    ids, prompts = list(table["id"]), list(table["prompt"])
    shared = shared_wording(prompts) if shared is None else shared
    pairs = linking_pairs([shared.taken_off(prompt) for prompt in prompts], threshold)
    kinds = [_kind(prompts[i], prompts[j]) for i, j, _ in pairs]
    return pd.DataFrame(
        {
            "id_a": pd.Series([ids[i] for i, _, _ in pairs], dtype="str"),
            "id_b": pd.Series([ids[j] for _, j, _ in pairs], dtype="str"),
            "similarity": pd.Series([similarity for _, _, similarity in pairs], dtype="float64"),
            "kind": pd.Series(kinds, dtype="str"),
        }
    )


def merge_groups(table: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Give duplicates (columns id_a, id_b) and members of a pair one group, so that no split parts them."""
    return _merge_linked(table, zip(duplicates["id_a"], duplicates["id_b"], strict=True))


def audit(tables: Mapping[str, pd.DataFrame], threshold: float, shared: SharedWording | None = None) -> pd.DataFrame:
    """Count overlap within and between the parts (set and split) of several prompt tables.

    Args:
        tables: prompt tables by set name; a table without `split` is one part.
        threshold: Jaccard similarity from which two prompts are near-duplicates.
        shared: as for `find_near_duplicates`.

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
    shared = shared_wording(prompts) if shared is None else shared
    part, exact = np.array(part_of), _codes(prompts)
    normal = _codes([normal_wording(prompt) for prompt in prompts])
    pairs = np.zeros((len(parts), len(parts), len(KINDS)), dtype=np.int64)
    concerned = np.zeros((*pairs.shape, len(prompts)), dtype=bool)
    for j, hits, _ in similar_rows([shared.taken_off(prompt) for prompt in prompts], threshold):
        kinds = np.where(exact[hits] == exact[j], 0, np.where(normal[hits] == normal[j], 1, 2))
        np.add.at(pairs, (part[hits], part[j], kinds), 1)
        concerned[part[hits], part[j], kinds, hits] = True
        concerned[part[hits], part[j], kinds, j] = True
    rows = []
    for a, b in combinations_with_replacement(range(len(parts)), 2):
        for number, kind in enumerate(KINDS):
            there = concerned[a, b, number]
            left, right = int(there[part == a].sum()), int(there[part == b].sum())
            rows.append((*parts[a], *parts[b], kind, int(pairs[a, b, number]), left, right))
    return pd.DataFrame(rows, columns=["set_a", "split_a", "set_b", "split_b", "kind", "n_pairs", "n_a", "n_b"])


def _codes(texts: list[str]) -> np.ndarray:
    return pd.factorize(np.array(texts, dtype=object))[0]


def _kind(left: str, right: str) -> str:
    if left == right:
        return "exact"
    return "normalised" if normal_wording(left) == normal_wording(right) else "near"
