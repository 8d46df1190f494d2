"""Recovery over pairs: summed effects over summed differences of the pairs' runs.

A mean of the pairs' own recoveries would be decided by a pair whose two runs hardly differ: its effect is divided by almost 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def weights_of(rows: pd.DataFrame) -> pd.Series:
    """By pair (``id``), the difference of its two runs over the mean of them; pairs without any are left out.

    Args:
        rows: columns ``id, clean, corrupt``, the last two the same in all rows of a pair.
    """
    pairs = rows.drop_duplicates("id").set_index("id")
    gap = (pairs["clean"] - pairs["corrupt"]).astype(float)
    gap = gap[np.isfinite(gap) & (gap != 0)]
    return gap / gap.mean() if len(gap) and gap.mean() != 0 else gap[:0]


def weighed(rows: pd.DataFrame, columns: Sequence[str] = ("recovery",)) -> pd.DataFrame:
    """Shares weighed by their pair, so that their mean over pairs is summed effects over summed differences."""
    weight = rows["id"].map(weights_of(rows)).astype(float)
    return rows.assign(**{name: rows[name] * weight for name in columns})
