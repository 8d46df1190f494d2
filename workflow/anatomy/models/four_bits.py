"""Weights rounded to four bits as they are read: a model larger than the memory at hand, for measuring alone.

The format is NF4 of bitsandbytes (Dettmers et al., QLoRA, arXiv 2305.14314, section 3): sixteen levels, and a scale for each 64
weights of a matrix. Embeddings, norms and the output head stay as they are. What is exported or edited is never such a copy.

Weights keep the layout that they were rounded in. On CPUs that multiply in bfloat16 by AVX-512, bitsandbytes would lay them out
anew at the first prompt and compute in bfloat16 whatever ``dtype`` asks for, with scales cast to bfloat16: other numbers than on
another machine, no gradient, and an error at widths that are no multiple of 64. Batches of prompts are no faster by it.
"""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from torch import nn

from anatomy.errors import ModelError
from anatomy.models.block_tensors import has_experts
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import TRANSPOSED
from anatomy.models.packed import scales_of, shape_of

REPACKS = "support_avx512bf16_for_cpu"
"""What a rounded layer of bitsandbytes asks before it lays its weights out for one kind of CPU."""


class Rounding(TypedDict):
    """What transformers' ``from_pretrained`` is told, so that each matrix is rounded as soon as it has been read."""

    quantization_config: Any
    device_map: dict[str, torch.device | str]


def rounding_arguments(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device | str) -> Rounding:
    """How a model is rounded, and put on its device.

    Args:
        dtype: format that activations are computed in.
        device: where the model goes.

    Raises:
        ModelError: as ``require_roundable``.
    """
    require_roundable(checkpoint)
    from transformers import BitsAndBytesConfig

    rounding = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": rounding, "device_map": {"": device}}


def require_roundable(checkpoint: Checkpoint) -> None:
    """Refuse, from its headers alone, a model that would not be rounded as a whole.

    Raises:
        ModelError: weights that were quantised before, experts (whose tensors bitsandbytes leaves as they are), or matrices that
            are stored the other way round.
        EditError: as ``block_tensors``.
    """
    if checkpoint.quantisation is not None:
        found = f"weights quantised with {checkpoint.quantisation}"
    elif has_experts(checkpoint):
        found = "a mixture of experts, whose tensors are not rounded"
    elif checkpoint.config.get("model_type") == TRANSPOSED:
        found = f"matrices that are stored transposed ({TRANSPOSED})"
    else:
        return
    raise ModelError(
        found=found,
        expected="a dense model in a floating-point format, where measure_in_4bit is on",
        where=str(checkpoint.folder),
        remedy="leave measure_in_4bit out for this model",
    )


def require_rounded(model: nn.Module, where: str) -> None:
    """Refuse a model of which bitsandbytes left a matrix of a block as it is: its memory would be another than was planned.

    Raises:
        ModelError: with the first such matrix.
    """
    for block in decoder_blocks(model):
        for name, weight in block.module.named_parameters():
            if name.endswith("weight") and len(shape_of(weight)) > 1 and scales_of(weight) is None:
                raise ModelError(
                    found=f"{block.name}.{name} {list(weight.shape)}, which was not rounded to four bits",
                    expected="every matrix of a block in four bits, where measure_in_4bit is on",
                    where=where,
                    remedy="leave measure_in_4bit out for this model",
                )


def keep_layout(model: nn.Module) -> None:
    """Have a rounded model compute from its weights as they were rounded, in the format asked for, on every kind of CPU."""
    for module in model.modules():
        if hasattr(module, REPACKS):
            setattr(module, REPACKS, False)
