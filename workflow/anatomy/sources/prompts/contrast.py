"""Two prompt sets that are held against each other: no prompt on both sides, and pairs that stay together."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.groups import with_value
from anatomy.sources.prompts.repeats import shortened
from anatomy.sources.prompts.wording import normal_wording


def check_contrast(harmful: pd.DataFrame, harmless: pd.DataFrame, names: tuple[str, str], say: Callable[[str], None]) -> None:
    """Refuse a prompt that stands on both sides; say which pairs the splits of the two sets part.

    Each set is split by itself, where its prompts' groups say: a pair's sides fall into one split unless a set merges groups
    that the other does not.

    Args:
        harmful, harmless: whole prompt tables, with `split`.
        names: of the two sets.

    Raises:
        DataError: naming the first such prompt and its ids.
    """
    wording = {normal_wording(prompt): name for prompt, name in zip(harmful["prompt"], harmful["id"], strict=True)}
    both = harmless[harmless["prompt"].map(normal_wording).isin(wording)]
    if len(both):
        row = both.iloc[0]
        raise DataError(
            found=f"{shortened(row['prompt'])} in both ({len(both)} such prompts): id {wording[normal_wording(row['prompt'])]!r} "
            f"in {names[0]}, id {row['id']!r} in {names[1]}",
            expected="each prompt on one side of the contrast",
            where=f"prompt sets {names[0]!r} and {names[1]!r}",
            remedy="decide which it is, and remove it from the other set's file",
        )
    sides = [with_value(table, "pair").groupby("pair")["split"].agg(set) for table in (harmful, harmless)]
    shared = sides[0].index.intersection(sides[1].index)
    parted = [pair for pair in shared if sides[0][pair] != sides[1][pair]]
    if parted:
        say(
            f"{len(parted)} of {len(shared)} pairs have their sides in different splits of {names[0]} and {names[1]}, such as "
            f"{parted[0]!r}: give both sides the same `group`, and what is merged in one set the same group in the other"
        )
