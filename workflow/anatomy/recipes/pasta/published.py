"""Numbers that PASTA's authors released, beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError, parsing
from anatomy.evidence.claims.tables import Tables

COLUMNS = ["quantity", "model", "detector", "category", "value"]
QUANTITIES = ("layer", "score", "flagged")
"""``layer``: chosen by a detector, counted as here (the input of block l: one more than the paper's). ``score``: mean on the
select split at that layer, by that detector's own measure. ``flagged``: mean share of AI text after ablation there, on the test
split, by the detector that chose it."""


def read_published(path: Path) -> pd.DataFrame:
    """Read released numbers: columns ``quantity, model, detector, category, value``; category is empty for all domains.

    Raises:
        DataError: the file is missing, lacks a column, names an unknown quantity, holds no number, or a cell twice.
    """
    with parsing(DataError, str(path), "a CSV file", remedy="correct pasta.published, or set it to null"):
        table = pd.read_csv(path, comment="#", keep_default_na=False, dtype="str")
    if list(table.columns) != COLUMNS:
        raise DataError(found=f"columns {list(table.columns)}", expected=f"{COLUMNS}", where=str(path))
    value = pd.to_numeric(table["value"], errors="coerce")
    for broken, found in (
        (value.isna(), "a value that is no number"),
        (~table["quantity"].isin(QUANTITIES), "an unknown quantity"),
        (table.duplicated(COLUMNS[:-1]), "a cell twice"),
    ):
        if broken.any():
            raise DataError(
                found=f"{found}: {','.join(table[broken].iloc[0])}",
                where=str(path),
                expected=f"numbers of {QUANTITIES}, each model, detector and category once",
            )
    return table.assign(value=value.astype("float64"))


def beside_ours(published: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Each released number with ours; an empty cell where the run has none (a closed detector, another model).

    Returns:
        Columns `quantity, model, detector, category, released, ours`.
    """
    table = published.assign(ours=[_ours(row, tables) for row in published.itertuples()]).rename(columns={"value": "released"})
    return table.assign(category=table["category"].replace("", "all"))


def _ours(row: Any, tables: Tables) -> float:
    if row.quantity in ("layer", "score"):
        if tables.layers is None:
            return float("nan")
        known = tables.layers[tables.layers["chosen"] & (tables.layers["control"] == "")]
        own = known[(known["model"] == row.model) & (known["detector"] == row.detector) & (known["category"] == row.category)]
        family = own["family"] == ("in_domain" if row.category else "sweep")
        column = "layer" if row.quantity == "layer" else "mean"
        return float(own.loc[family, column].iloc[0]) if family.any() else float("nan")
    if tables.measures is None:
        return float("nan")
    own = tables.measures[
        (tables.measures["model"] == row.model)
        & (tables.measures["domain"] == (row.category or "all"))
        & (tables.measures["kind"] == "detector")
        & (tables.measures["measure"] == row.detector)
        & (tables.measures["slug"] == f"pasta@{row.detector}")
    ]
    return float(own["value"].iloc[0]) if len(own) else float("nan")
