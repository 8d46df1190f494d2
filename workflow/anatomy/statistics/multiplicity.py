"""Correction for testing several claims of one family."""

import numpy as np
from jaxtyping import Float


def holm_adjust(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given.

    NaN marks a claim without a test: it stays NaN and does not count towards the family.
    """
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted
