"""What claims read of tables: a value a prompt, and the place that the search for a direction picked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.statistics.clusters import Sample


def sample_of(rows: pd.DataFrame, column: str = "value", because: str = "both prompts have the same metric") -> Contrast:
    """The finite values of a column, with the groups of their prompts.

    Args:
        because: what it means that there are none.

    Raises:
        MissingEvidence: no value is finite.
    """
    kept = rows.dropna(subset=[column])
    if kept.empty:
        raise MissingEvidence(found="no finite value", expected="at least one", where="what was measured", because=because)
    return Contrast(Sample(kept[column].to_numpy(np.float64), kept["group"].to_numpy(object), signed=True))


def picked_place(tables: Tables, model: str) -> tuple[int, int]:
    """Position and layer of the picked direction.

    Raises:
        MissingEvidence: the search ended without one.
    """
    row = tables.rows("picked", model=model).iloc[0]
    if pd.isna(row["layer"]):
        raise MissingEvidence(
            found=f"{row['outcome']}",
            expected="a direction's place",
            where=f"the search of {model}",
            because=f"the search for a refusal direction ended without one ({row['outcome']})",
        )
    return int(row["position"]), int(row["layer"])
