"""A share over all pairs as a sample that claims can judge: summed effects over summed differences of the pairs' runs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence
from anatomy.statistics.clusters import Sample


def share_of(rows: pd.DataFrame, weights: pd.Series, column: str = "value", because: str = "") -> Contrast:
    """A sample whose mean is the share over all pairs, and whose spread is that share's own.

    With d_i the difference of pair i's runs over their mean and s_i its share, R = mean(d s); the sample is
    ``d_i s_i + R (1 - d_i)``, the ratio linearised (Cochran 1977, Sampling Techniques, section 6.3): pairs drawn again change
    numerator and denominator together.

    Args:
        rows: columns ``id, group`` and ``column``, one row a pair.
        weights: difference of each pair's runs over their mean, by ``id`` (``recovery_over_pairs.weights_of``).
        because: what it means that no pair has both.

    Raises:
        MissingEvidence: no pair has a finite share and runs that differ, or their differences cancel out.
    """
    own = rows.assign(weight=rows["id"].map(weights).astype(float)).dropna(subset=[column, "weight"])
    if own.empty or own["weight"].mean() == 0:
        raise MissingEvidence(
            found="no finite value",
            expected="at least one",
            where="what was measured",
            because=because or "both prompts have the same metric",
        )
    weight = own["weight"].to_numpy(np.float64) / own["weight"].mean()
    effect = weight * own[column].to_numpy(np.float64)
    return Contrast(Sample(effect + effect.mean() * (1 - weight), own["group"].to_numpy(object), signed=True))
