"""Trend of an outcome over ordered levels, with the same items at each level."""

import numpy as np
from jaxtyping import Float

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample


def item_slopes(outcomes: Float[np.ndarray, "item level"], groups: np.ndarray) -> Sample:
    """Least-squares slope of each item's outcome over the ranks 0, 1, 2, ... of the levels.

    The mean slope is the change of the rate for one step; its clustered interval says whether the rate rises or falls
    along the levels. Only the order of the levels counts, not their spacing.

    Raises:
        DataError: fewer than two levels.
    """
    levels = outcomes.shape[1]
    if levels < 2:
        raise DataError(found=f"{levels} level", expected="at least 2 ordered levels", where="a trend")
    centred = np.arange(levels) - (levels - 1) / 2
    return Sample((outcomes @ centred) / (centred @ centred), groups, signed=True)
