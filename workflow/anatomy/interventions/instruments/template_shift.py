"""What post-training moves in the stream, with and without the share that is the chat template's.

An aligned model that reads a prompt through its template, minus a base that reads it as plain text, mixes two differences
(arXiv 2605.24583, of which the abstract is known here; the formulas are written from it and named ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.directions.signature import cosines
from anatomy.interventions.instruments.geometry import effective_rank

Variant = Literal["naive", "template", "within", "difference"]
VARIANTS: tuple[Variant, ...] = ("naive", "template", "within", "difference")
"""``naive``: aligned with template minus base without. ``template``: both with it. ``within``: the aligned model
with minus without. ``difference``: aligned minus base with the template, minus the same without it."""

Streams = Mapping[tuple[str, str], Float[Tensor, "layer prompt d_model"]]
"""Streams of the same prompts by model (``aligned``, ``base``) and wording (``template``, ``plain``)."""


def shifts(streams: Streams) -> dict[Variant, Float[Tensor, "layer prompt d_model"]]:
    """The four shifts, prompt by prompt."""
    aligned, bare = streams["aligned", "template"].double(), streams["aligned", "plain"].double()
    base, bare_base = streams["base", "template"].double(), streams["base", "plain"].double()
    return {
        "naive": aligned - bare_base,
        "template": aligned - base,
        "within": aligned - bare,
        "difference": (aligned - base) - (bare - bare_base),
    }


def shift_table(streams: Streams, direction: Float[Tensor, "layer d_model"], ids: list[str]) -> pd.DataFrame:
    """Cosine of each prompt's shift with a direction of its layer: columns ``id, variant, layer, cosine, length``."""
    parts = []
    for variant, moved in shifts(streams).items():
        found, lengths = cosines(moved, direction.double()[:, None]).numpy(), moved.norm(dim=-1).numpy()
        for layer in range(len(moved)):
            rows = {"id": ids, "variant": variant, "layer": layer, "cosine": found[layer], "length": lengths[layer]}
            parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def shift_ranks(streams: Streams) -> pd.DataFrame:
    """Effective rank of the prompts' shifts, and the share of their squared length along one line.

    Returns:
        Columns ``variant, layer, rank, first``.
    """
    rows = []
    for variant, moved in shifts(streams).items():
        for layer, own in enumerate(moved):
            squares = torch.linalg.svdvals(own).square()
            rows.append((variant, layer, effective_rank(own), (squares[0] / squares.sum().clamp(min=1e-300)).item()))
    return pd.DataFrame(rows, columns=["variant", "layer", "rank", "first"])
