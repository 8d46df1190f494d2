"""Edits of every kind for one model, of weights and of activations, and what a stack of them must equal."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from edit_kinds import head, low_rank, pruned, trained
from intervention_grid import intervention

from anatomy.interventions.edits.stack import Part
from anatomy.interventions.edits.weight_edit import WeightEdit
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.checkpoint import Checkpoint

WEIGHTS = ("rank one", "mask", "trained adapter", "dense head", "low-rank head")
HOOKS = ("ablate", "add", "clamp", "ablate behind blocks")


def every_part(checkpoint: Checkpoint) -> dict[str, Part]:
    """One part of each kind, all of them at places where they meet others."""
    width, every = checkpoint.d_model, tuple(range(checkpoint.num_layers))
    return {
        "rank one": low_rank(checkpoint),
        "mask": pruned(checkpoint),
        "trained adapter": trained(checkpoint),
        "dense head": head(checkpoint, seed=3),
        "low-rank head": head(checkpoint, rank=4),
        "ablate": intervention("ablate", width, every, rank=2, seed=1),
        "add": intervention("add", width, every[1:], seed=2),
        "clamp": intervention("clamp", width, every, seed=3, sites=("block_input",)),
        "ablate behind blocks": intervention("ablate", width, every, rank=2, seed=4, sites=("block_output",)),
    }


def in_turn(loaded: Any, parts: Sequence[Part], run: Any) -> Any:
    """What ``run`` gives on a copy of the model to which the parts are applied one after another, each on its own."""
    model = copy.deepcopy(loaded.model)
    with ExitStack() as contexts:
        for part in parts:
            if isinstance(part, Intervention):
                contexts.enter_context(intervening(model, [part]))
            else:
                _write(model, part)
        return run(model)


@torch.no_grad()
def _write(model: Any, edit: WeightEdit) -> None:
    for name in edit.tensors:
        weight = model.get_submodule(name.removesuffix(".weight")).weight
        weight.copy_(edit.edited(name, weight.float().clone()).to(weight.dtype))
