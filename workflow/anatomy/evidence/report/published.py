"""A paper's numbers beside ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.errors import DataError, parsing

COLUMNS = ["table", "model", "source", "arm", "value"]


def read_published(path: Path) -> pd.DataFrame:
    """Read a paper's numbers: columns ``table, model, source, arm, value``; values are per cent, as printed there.

    ``source`` is a prompt set or a task, ``arm`` is ``base`` or a family of edits.

    Raises:
        DataError: the file is missing, lacks a column, holds a value that is no number, or a cell twice.
    """
    with parsing(
        DataError, str(path), "a CSV file", remedy="correct the option `published` of the paper's section, or set it to null"
    ):
        table = pd.read_csv(path)
    if list(table.columns) != COLUMNS:
        raise DataError(found=f"columns {list(table.columns)}", expected=f"{COLUMNS}", where=str(path))
    broken = pd.to_numeric(table["value"], errors="coerce").isna()
    if broken.any():
        raise DataError(
            found=f"value {table.loc[broken, 'value'].iloc[0]!r}",
            expected="a number",
            where=f"{path}, row {int(broken.idxmax()) + 2}",
        )
    repeated = table.duplicated(COLUMNS[:-1])
    if repeated.any():
        raise DataError(
            found="a cell twice",
            expected="each table, model, source and arm once",
            where=f"{path}, row {int(repeated.idxmax()) + 2}",
        )
    return table.assign(value=table["value"].astype(float))


def published_cells(published: pd.DataFrame, table: str) -> dict[tuple[str, str, str], float]:
    """(model, source, arm) to the share printed in one table of the paper."""
    own = published[published["table"].astype(str) == table]
    return {(row.model, row.source, row.arm): row.value / 100 for row in own.itertuples()}
