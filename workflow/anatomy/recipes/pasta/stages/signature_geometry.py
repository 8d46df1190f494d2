"""The geometry of a signature as tidy tables: norms, cosines, what ablation removes, and who writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.signature import contrast, cosines
from anatomy.models.activations.answer_writes import MeanWrite
from anatomy.models.activations.answers import ALL, FIRST, POSITIONS, AnswerSums
from anatomy.recipes.pasta.edits import SIGNATURE

COLUMNS = ["model", "quantity", "contrast", "other", "number", "position", "layer", "other_layer", "value"]
WRITERS = ["model", "layer", "site", "head", "direction_layer", "aligned", "base", "value", "post_norm"]


def geometry(
    model: str,
    contrasts: Mapping[str, Directions],
    sums: Mapping[str, AnswerSums],
    controls: Mapping[str, Tensor],
    removed: Mapping[str, Tensor],
    refusal: Directions,
) -> pd.DataFrame:
    """Norms, cosines and shares, one row for each number.

    ``norm``: of a contrast. ``relative_norm``: as a share of the norm of the base's mean. ``cosine_layers``: of the signature
    at two layers. ``cosine_contrast``: of the signature and another contrast. ``cosine_halves``: of the signatures of two
    disjoint halves of the prefixes. ``cosine_positions``: of first answer token and all. ``cosine_control``: of the signature
    and a control. ``cosine_refusal``: of the signature and the aligned model's refusal direction. ``energy``: E[(h . v)^2],
    what ablating the signature removes; ``removed``: what ablating a control does, as a share of it.
    """
    signature = contrasts[SIGNATURE].vectors.double()
    base = sums["base"].mean()
    rows: list[dict[str, Any]] = []

    def add(
        quantity: str, values: Tensor, positions: Sequence[int], name: str = SIGNATURE, other: str = "", number: int = -1
    ) -> None:
        """Values [position, layer]."""
        rows.extend(
            {
                "quantity": quantity,
                "contrast": name,
                "other": other,
                "number": number,
                "position": position,
                "layer": layer,
                "other_layer": -1,
                "value": value.item(),
            }
            for position, row in zip(positions, values, strict=True)
            for layer, value in enumerate(row)
        )

    for name, directions in contrasts.items():
        add("norm", directions.norms(), POSITIONS, name)
        add("relative_norm", directions.norms() / base.norm(dim=-1), POSITIONS, name)
        if name != SIGNATURE:
            add("cosine_contrast", cosines(signature, directions.vectors.double()), POSITIONS, other=name)
    halves = [contrast(sums["aligned"].mean(part), sums["base"].mean(part), "half").vectors.double() for part in (1, 2)]
    add("cosine_halves", cosines(*halves), POSITIONS)
    first, every = (signature[POSITIONS.index(place)] for place in (FIRST, ALL))
    add("cosine_positions", cosines(first, every)[None], [ALL])
    known = [layer for layer in contrasts[SIGNATURE].layers if layer in refusal.layers]
    along = torch.stack([refusal.vector(refusal.positions[-1], layer).double() for layer in known])
    add("cosine_refusal", cosines(signature[:, known], along), POSITIONS)
    for family, drawn in controls.items():
        for number, vectors in enumerate(drawn):
            add("cosine_control", cosines(signature, vectors.double()), POSITIONS, other=family, number=number)
    for family, shares in removed.items():
        for number, values in enumerate(shares):
            add(
                "energy" if family == SIGNATURE else "removed",
                values[None],
                [ALL],
                other="" if family == SIGNATURE else family,
                number=number,
            )
    crossed = cosines(every[:, None], every[None])
    rows.extend(
        {
            "quantity": "cosine_layers",
            "contrast": SIGNATURE,
            "other": "",
            "number": -1,
            "position": ALL,
            "layer": layer,
            "other_layer": other,
            "value": crossed[layer, other].item(),
        }
        for layer in range(len(every))
        for other in range(len(every))
    )
    return pd.DataFrame(rows).assign(model=model)[COLUMNS]


def writers_table(model: str, signature: Directions, writes: Mapping[str, Sequence[MeanWrite]]) -> pd.DataFrame:
    """How much of each layer's signature every head and MLP before it writes: direct projection of its mean write. Ours.

    ``value`` is the aligned model's projection minus the base's, each on its own text; over all parts before a layer, with the
    embedding's, these add up to the norm of the signature there (not behind a post-norm, which rescales each write).
    """
    unit = signature.vectors[POSITIONS.index(ALL)].double()
    unit = unit / unit.norm(dim=-1, keepdim=True).clamp(min=1e-300)
    rows = []
    for own, base in zip(writes["aligned"], writes["base"], strict=True):
        along = torch.stack([unit @ own.vector, unit @ base.vector])
        rows += [
            {
                "model": model,
                "layer": own.layer,
                "site": own.site,
                "head": own.head,
                "direction_layer": layer,
                "aligned": along[0, layer].item(),
                "base": along[1, layer].item(),
                "value": (along[0, layer] - along[1, layer]).item(),
                "post_norm": own.post_norm,
            }
            for layer in range(own.layer + 1, len(unit))
        ]
    return pd.DataFrame(rows, columns=WRITERS)
