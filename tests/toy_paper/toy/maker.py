"""The toy paper's edit: a mask over the weights that write along the refusal direction, by score."""

from __future__ import annotations

import torch

from anatomy.interventions.directions.candidates import load_directions
from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.sparse import SparseEdit, sparse_edit

PINS: tuple[str, ...] = ("torch",)


def prune(materials: Materials) -> SparseEdit:
    """Zero the share of each MLP output matrix with the largest ``|W_ij r_i|``, r the direction at the last prompt token."""
    options = materials.config.toy
    found = load_directions(materials.files["directions"].parent / materials.subject.contrasts[0] / "directions.safetensors")
    direction = found.vector(-1, options.layer).double()
    places = {}
    for name in (f"model.layers.{layer}.mlp.down_proj" for layer in range(materials.checkpoint.num_layers)):
        weight = materials.checkpoint.tensor(f"{name}.weight").double()
        score = (weight * direction[:, None]).abs().flatten()
        chosen = score.topk(round(options.share * score.numel())).indices.sort().values
        places[name] = (chosen, torch.zeros(len(chosen)))
    materials.say(f"{options.share:.1%} of {len(places)} matrices pruned")
    spec = {"method": "toy prune", "share": options.share}
    return sparse_edit(spec, "measure", materials.checkpoint, places, list(places))
