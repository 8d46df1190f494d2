"""Which attention heads the weights of a mask belong to, beside what chance gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.stats import hypergeom

from anatomy.interventions.pruning.masks import Shapes
from anatomy.interventions.pruning.ranking import Mask
from anatomy.models.checkpoint import Checkpoint

ROWS, COLUMNS = ("q_proj", "k_proj", "v_proj"), ("o_proj",)
"""Matrices of which a head has rows (what it computes), and of which it has columns (what it writes)."""


@dataclass(frozen=True)
class HeadShare:
    """The part of a mask that lies in one head's slice of a matrix.

    Attributes:
        matrix: its name.
        head: of queries and outputs; of keys and values the head that several query heads may share.
        weights: of the mask in the slice.
        size: of the slice.
        expected: weights that a random mask with as many in the matrix has in the slice on average.
        p_value: probability that such a mask has at least as many there (hypergeometric).
    """

    matrix: str
    head: int
    weights: int
    size: int
    expected: float
    p_value: float


def head_shares(mask: Mask, shapes: Shapes, checkpoint: Checkpoint) -> Iterator[HeadShare]:
    """Weights of a mask by head, in every matrix that is cut into heads as its configuration says.

    Matrices of another size are left out, such as query projections with a gate in them.
    """
    config = checkpoint.text_config
    heads = int(config.get("num_attention_heads", 1))
    width = int(config.get("head_dim") or checkpoint.d_model // heads)
    for name, places in mask.items():
        module, (rows, columns) = name.rpartition(".")[2], shapes[name]
        count = heads if module in ("q_proj", "o_proj") else int(config.get("num_key_value_heads") or heads)
        if module not in ROWS + COLUMNS or count * width != (columns if module in COLUMNS else rows):
            continue
        lines = places % columns if module in COLUMNS else places // columns
        own = torch.bincount(lines // width, minlength=count)
        size = rows * columns // count
        for head, weights in enumerate(own.tolist()):
            chance = hypergeom(rows * columns, size, len(places))
            yield HeadShare(name, head, weights, size, len(places) / count, min(1.0, float(chance.sf(weights - 1))))
