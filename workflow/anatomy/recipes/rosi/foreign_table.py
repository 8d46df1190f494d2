"""Directions that other tools made, beside the model's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anatomy.store.files import read_json

COLUMNS = ["model", "direction", "made by", "layer", "cosine with its own", "turned", "file"]


def foreign_table(files: Sequence[Path]) -> pd.DataFrame:
    """One row a model, foreign direction and layer.

    Args:
        files: cards of foreign directions, each in the folder of its model (``anatomy.stages.foreign_directions``).

    Returns:
        ``COLUMNS``; ``turned``: it points away from the model's own direction there, and is used turned round.
    """
    rows = []
    for file in files:
        for name, one in read_json(file)["contrasts"].items():
            for layer, cosine in zip(one["layers"], one["cosines"], strict=True):
                row = (file.parent.name, name, one["made_by"], layer, cosine, layer in one["turned"], Path(one["file"]).name)
                rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)
