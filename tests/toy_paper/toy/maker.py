"""The toy paper's edit: a mask over the weights that write along the refusal directions of two models, by score."""

from __future__ import annotations

import torch

from anatomy.interventions.directions.candidates import load_directions
from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.sparse import SparseEdit, sparse_edit

PINS: tuple[str, ...] = ("torch",)


def prune(materials: Materials) -> SparseEdit:
    """Zero the share of each MLP output matrix with the largest ``|W_ij r_i|``, r the mean of the unit directions of the model
    and of the one beside it, at the last prompt token."""
    options = materials.config.toy
    units = [
        load_directions(card.parent / materials.subject.contrasts[0] / "directions.safetensors").unit(-1, options.layer)
        for card in materials.files["directions"]
    ]
    direction = torch.stack(units).double().mean(0)
    places = {}
    for name in (f"model.layers.{layer}.mlp.down_proj" for layer in range(materials.checkpoint.num_layers)):
        weight = materials.checkpoint.tensor(f"{name}.weight").double()
        score = (weight * direction[:, None]).abs().flatten()
        chosen = score.topk(round(options.share * score.numel())).indices.sort().values
        places[name] = (chosen, torch.zeros(len(chosen)))
    materials.say(f"{options.share:.1%} of {len(places)} matrices pruned, along the directions of {len(units)} models")
    spec = {"method": "toy prune", "share": options.share}
    return sparse_edit(spec, "measure", materials.checkpoint, places, list(places))
