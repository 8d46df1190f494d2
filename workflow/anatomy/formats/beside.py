"""How directions of others lie to a model's own, beside what chance gives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.vector_files import Vectors

COLUMNS = ["layer", "cosine", "chance", "norm", "own_norm"]
SURE = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def beside(theirs: Mapping[int, Float32[Tensor, " their_width"]], own: Vectors, where: str) -> pd.DataFrame:
    """Cosine of two directions of each layer that both have.

    Returns:
        ``layer, cosine, chance, norm, own_norm``. ``chance``: 95 % of cosines of random directions lie within it either way
        (a random unit vector's component is close to normal with variance 1/d).

    Raises:
        DataError: no common layer, or another width.
    """
    shared = sorted(set(theirs) & set(own))
    if not shared:
        raise DataError(
            found=f"layers {sorted(theirs)}",
            expected=f"one of the model's {sorted(own)}",
            where=where,
            remedy="layer l is the input of block l; a control vector's direction.N is the output of block N, layer N + 1",
        )
    if len(theirs[shared[0]]) != len(own[shared[0]]):
        raise DataError(
            found=f"width {len(theirs[shared[0]])}",
            expected=f"the model's width {len(own[shared[0]])}",
            where=where,
            remedy="the directions are of another model",
        )
    rows = []
    for layer in shared:
        one, other = theirs[layer].double(), own[layer].double()
        cosine = float(torch.nn.functional.cosine_similarity(one, other, dim=0))
        rows.append((layer, cosine, SURE / math.sqrt(len(one)), float(one.norm()), float(other.norm())))
    return pd.DataFrame(rows, columns=COLUMNS)
