"""The pairs of an audit: prompts to take the original's direction from, and others to ask both models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from anatomy.quickstart.pairs import SIDES, read_pairs, write_sets
from anatomy.sources.prompts.labels import HARMLESS
from anatomy.stages.prompt_set import prepare
from anatomy.store.files import read_table

FIT = ("fit", "select")


@dataclass(frozen=True)
class Asked:
    """Prompts of both sides, split as a study's are: no group stands in both parts.

    Attributes:
        fit: by side, what directions are taken from.
        test: by side, what both models are asked.
        notes: how the file was read.
    """

    fit: dict[str, pd.DataFrame]
    test: dict[str, pd.DataFrame]
    notes: tuple[str, ...]


def asked_of(path: Path | Sequence[Path], limit: int, near_duplicate: float, columns: Mapping[str, str] | None = None) -> Asked:
    """Read pairs as ``quickstart`` does and split each side.

    Args:
        limit: most test prompts a side.
        near_duplicate: overlap from which prompts stay on one side of the split.
        columns: what the file calls some of the columns, as for ``read_pairs``.

    Raises:
        DataError: as ``read_pairs``.
    """
    pairs = read_pairs(path, near_duplicate, columns)
    notes: list[str] = []
    tables = {}
    with TemporaryDirectory() as folder:
        for side, file in write_sets(pairs, Path(folder)).items():
            label = "harmful" if side == "harmful" else HARMLESS[0]
            prepare(side, {"file": str(file), "label": label, **pairs.options}, Path(folder) / f"{side}.parquet", notes.append)
            tables[side] = read_table(Path(folder) / f"{side}.parquet")
    return Asked(
        {side: tables[side][tables[side]["split"].isin(FIT)] for side in SIDES},
        {side: tables[side][tables[side]["split"] == "test"].iloc[:limit] for side in SIDES},
        (*pairs.notes, *notes),
    )
