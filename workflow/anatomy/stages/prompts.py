"""The prompts a job works on: one set, one phase, at most so many, always the same ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.store.digest import digest
from anatomy.store.files import read_table

COLUMNS = ["id", "prompt", "response", "label", "category", "source", "group", "pair"]


def phase_prompts(at: Layout, subject: Subject, name: str, phase: str, limit: int) -> pd.DataFrame:
    """Rows of a prompt set in a phase.

    At most ``limit`` rows, chosen by the digest of their ids: a longer table never changes which prompts of a shorter one
    are chosen by its order, and a higher limit only adds rows.

    Raises:
        DataError: the set has no rows in this phase.
    """
    path = Path(at.prompts(subject, name))
    table = read_table(path)
    rows = table[table["split"] == phase]
    if rows.empty:
        raise DataError(
            found=f"no rows with split {phase!r}",
            expected="at least one",
            where=str(path),
            remedy="give the set a larger share for this phase, or more rows",
        )
    order = rows["id"].map(lambda value: digest([name, value]))
    return rows.assign(_order=order).sort_values("_order").head(limit).sort_values("id")[COLUMNS].reset_index(drop=True)
