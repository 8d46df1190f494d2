"""The adapter that is trained: LoRA (Hu et al. 2021, arXiv 2106.09685) through peft, in fp32 on frozen matrices of the blocks."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from anatomy.errors import ModelError
from anatomy.interventions.edits.inventory import dense_shapes
from anatomy.interventions.edits.low_rank import Factors
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel

NAME = "default"
"""What peft calls an adapter that has no name."""


def matrices(loaded: LoadedModel, targets: Literal["all"] | list[str]) -> list[str]:
    """Names of the matrices that get an adapter.

    Args:
        targets: last parts of their names; ``all``: every linear map of the model but its output head.

    Raises:
        ModelError: a target that no linear map of the model is called by, or none at all; ``all`` where experts are
            fused into one tensor, which would be left as it is.
        EditError: matrices that cannot be edited (``dense_shapes``): quantised, or fused experts.
    """
    head = loaded.model.get_output_embeddings()
    linear = [name for name, module in loaded.model.named_modules() if isinstance(module, nn.Linear) and module is not head]
    kinds = {name.rpartition(".")[2] for name in linear}
    fused = [name for name, weight in loaded.model.named_parameters() if weight.dim() == 3 and "conv" not in name]
    if (targets == "all" and fused) or not linear:
        raise ModelError(
            found=f"weights that are no linear map, such as {fused[0]}" if fused else "no linear map",
            expected="a model whose blocks hold linear maps",
            where=f"tuned.targets, for {loaded.folder}",
            remedy=f"name the matrices that are meant: {', '.join(sorted(kinds))}" if kinds else "train another model",
        )
    if unknown := [] if targets == "all" else sorted(set(targets) - kinds):
        raise ModelError(
            found=f"no linear map called {unknown[0]}",
            expected=f"some of {', '.join(sorted(kinds))}",
            where=f"tuned.targets, for {loaded.folder}",
            remedy="name matrices that the model has, or all",
        )
    found = [name for name in linear if targets == "all" or name.rpartition(".")[2] in targets]
    dense_shapes(Checkpoint(loaded.folder), found)
    return found


def attach(loaded: LoadedModel, names: list[str], *, rank: int, alpha: float, seed: int) -> Any:
    """The model with an adapter on some matrices, which alone are trained; B begins at zero, A is drawn from the seed."""
    from peft import LoraConfig, get_peft_model

    options = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names, task_type="CAUSAL_LM", bias="none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = get_peft_model(loaded.model, options)
    return model.eval()  # no dropout anywhere: rows and seed are all that is drawn


def trained(model: Any) -> dict[str, Tensor]:
    """Parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def factors_of(model: Any, names: list[str]) -> dict[str, Factors]:
    """(A, B) of every matrix in fp32, the scaling taken into B: ``W' = W + B A``."""
    found = {}
    for name in names:
        layer = model.get_base_model().get_submodule(name)
        a, b = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
        found[name] = (
            a.detach().float().cpu().contiguous(),
            (b.detach().float() * layer.scaling[NAME]).cpu().contiguous(),
        )
    return found


def recompute_activations(model: Any) -> None:
    """Gradient checkpointing, without the dropout that a model in training mode would have."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    inner = model.get_base_model()
    inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for module in inner.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True  # of the block alone: what is in it stays in evaluation mode
