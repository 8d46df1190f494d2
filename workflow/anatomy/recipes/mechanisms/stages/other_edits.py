"""Every other edit that a rewritten fact meets: those of the picked direction, beside a random one, and those of other papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.saved import saved_edit
from anatomy.interventions.edits.spec import DirectionReference, LowRankSpec
from anatomy.interventions.edits.stack import Part
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.recipes.mechanisms.stages.other_directions import style_direction
from anatomy.recipes.mechanisms.under_edits import CONTROL
from anatomy.store.files import read_json

STRENGTH = 1.0
"""Of the injection, by which what the model writes along the direction is doubled, and of the row mean, in percent of each
matrix's norm."""


def edits_of_direction(
    loaded: LoadedModel, contrast: str, place: tuple[int, int], vector: Float[Tensor, " d_model"], seed: int
) -> dict[str, Part]:
    """Every edit by the picked direction, and the same by a random one of its length.

    Args:
        contrast, place: what the direction is called: contrast, position and layer.
        vector: the picked direction at its own length.
    """
    drawn = torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm() * vector.norm().cpu()
    checkpoint = Checkpoint(loaded.folder)
    found: dict[str, Part] = {}
    named: DirectionReference = {"contrast": contrast, "position": place[0], "layer": place[1], "control": None}
    specs: dict[str, LowRankSpec] = {
        "injection": {"method": "projection", "direction": named, "strength": STRENGTH, "sign": 1},
        "row mean": {"method": "row_mean", "direction": named, "strength": STRENGTH, "sign": 1},
        "orthogonalized": {"method": "orthogonalize", "direction": named},
    }
    every = tuple(range(loaded.num_layers))
    for ending, direction in (("", vector.cpu().float()), (CONTROL, drawn)):
        unit = direction / direction.norm()
        edits: dict[str, Part] = {name: build_edit(spec, checkpoint, unit) for name, spec in specs.items()}
        edits["ablation"] = Intervention("ablate", every, unit.expand(len(every), 1, -1), None, 1.0, SITES, "all")
        edits["addition"] = Intervention("add", (place[1],), direction.view(1, 1, -1), None, 1.0, ("block_input",), "all")
        found |= {name + ending: edit for name, edit in edits.items()}
    return found


def edits_of_papers(files: Mapping[str, str], loaded: LoadedModel) -> dict[str, Part]:
    """Edits that other papers left of the model: a ``mask``, a ``signature`` to ablate, a residual on its ``own_head``."""
    checkpoint = Checkpoint(loaded.folder)
    found: dict[str, Part] = {}
    for file, name in (("mask", "mask"), ("own_head", "head")):
        if file in files:
            (spec,) = read_json(Path(files[file])).values()
            if spec is not None:
                found[name] = saved_edit(spec, checkpoint)
    if "signature" in files:
        behind = style_direction(Path(files["signature"]))[1:].float().cpu()
        kept = [layer for layer in range(len(behind)) if behind[layer].any()]
        units = torch.nn.functional.normalize(behind[kept], dim=-1)[:, None]
        found["style"] = Intervention("ablate", tuple(kept), units, None, 1.0, ("block_output",), "all")
    return found
