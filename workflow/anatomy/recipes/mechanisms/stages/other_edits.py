"""Every other edit that a rewritten fact meets: those of the picked direction and those of other papers, beside random ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.saved import saved_edit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.spec import DirectionReference, Edit, LowRankSpec, low_rank_spec
from anatomy.interventions.edits.stack import Part
from anatomy.interventions.pruning.masks import pruning_edit, random_mask
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.recipes.mechanisms.stages.other_directions import PUBLISHED_FORM, style_direction
from anatomy.recipes.mechanisms.under_edits import CONTROL
from anatomy.stages.model_directions import ModelDirections
from anatomy.store.files import read_json

STRENGTH = 1.0
"""Of the injection, by which what the model writes along the direction is doubled, and of the row mean, in percent of each
matrix's norm."""
FORMS = {"ROSI": PUBLISHED_FORM, "ROSI projection": "projection"}
"""Edits that ROSI's search may have picked, by name, and the family that each is the pick of."""


def edits_of_direction(
    loaded: LoadedModel, contrast: str, place: tuple[int, int], vector: Float[Tensor, " d_model"], seed: int
) -> dict[str, Part]:
    """Every edit by the picked direction, and the same by a random one of its length.

    Args:
        contrast, place: what the direction is called: contrast, position and layer.
        vector: the picked direction at its own length.
    """
    drawn = _drawn(loaded, seed) * vector.norm().cpu()
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


def _drawn(loaded: LoadedModel, seed: int) -> Float[Tensor, " d_model"]:
    """A random direction of unit length."""
    drawn = torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm()


def edits_of_papers(files: Mapping[str, str], loaded: LoadedModel, known: ModelDirections, seed: int) -> dict[str, Part]:
    """Edits that other papers left of the model: the picks of ``rosi``, a ``mask``, a ``signature`` to ablate, a residual on its
    ``own_head``. The first are made of a random direction too, and a mask of random weights.

    Args:
        files: as ``neighbours.edits_of_others`` names them.
        known: directions of the model, which ROSI's search picked from.
    """
    checkpoint = Checkpoint(loaded.folder)
    found: dict[str, Part] = {}
    if "rosi" in files:
        found |= _of_rosi(read_json(Path(files["rosi"])), checkpoint, known, _drawn(loaded, seed))
    for file, name in (("mask", "mask"), ("own_head", "head")):
        if file in files:
            (spec,) = read_json(Path(files[file])).values()
            if spec is None:
                continue
            found[name] = edit = saved_edit(spec, checkpoint)
            if isinstance(edit, SparseEdit):
                found[name + CONTROL] = _random_mask(edit, checkpoint, seed)
    if "signature" in files:
        behind = style_direction(Path(files["signature"]))[1:].float().cpu()
        kept = [layer for layer in range(len(behind)) if behind[layer].any()]
        units = torch.nn.functional.normalize(behind[kept], dim=-1)[:, None]
        found["style"] = Intervention("ablate", tuple(kept), units, None, 1.0, ("block_output",), "all")
    return found


def _of_rosi(
    picks: Mapping[str, Edit | None], checkpoint: Checkpoint, known: ModelDirections, drawn: Float[Tensor, " d_model"]
) -> dict[str, Part]:
    """The picks of those families that the run has searched and that ended with one, each of a random direction too."""
    found: dict[str, Part] = {}
    for name, family in FORMS.items():
        if (pick := picks.get(family)) is not None:
            spec = low_rank_spec(pick)
            found[name] = build_edit(spec, checkpoint, known.unit(spec["direction"]))
            found[name + CONTROL] = build_edit(spec, checkpoint, drawn)
    return found


def _random_mask(edit: SparseEdit, checkpoint: Checkpoint, seed: int) -> SparseEdit:
    """Random weights set to zero, as many of each matrix as a mask has."""
    mask = {name: indices for name, (indices, _) in edit.places.items()}
    drawn = random_mask(mask, edit.shapes, torch.Generator().manual_seed(seed))
    return pruning_edit({"method": "random mask", "seed": seed}, "control", checkpoint, drawn)
