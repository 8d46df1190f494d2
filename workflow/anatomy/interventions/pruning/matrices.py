"""Which matrices are scored and pruned: every linear map of attention and MLP, as the released code takes them."""

from __future__ import annotations

import torch

from anatomy.errors import EditError
from anatomy.interventions.edits.inventory import dense_shapes
from anatomy.models.block_tensors import BlockTensors, block_tensors
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import stored_transposed
from anatomy.models.writers import FLOATS

SUBLAYERS = ("self_attn", "attention", "attn", "mlp")
"""Names of the parts of a block whose matrices are scored; norms, embeddings and the output head are not."""


def scored_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Names of the matrices of every block's attention and MLP, such as ``model.layers.0.mlp.up_proj``; reads no weights.

    Raises:
        EditError: quantised weights, a mixture of experts, a block without such matrices, or one with other layers that have
            some (linear attention, a state space model), which a mask would leave out.
    """
    names = []
    for block in block_tensors(checkpoint):
        inside = [name for name in block.shapes if name.partition(".")[0] in SUBLAYERS or block.mixtures]
        packed = [name for name in inside if _packed(checkpoint, f"{block.name}.{name}")]
        if packed:
            raise EditError(
                found=f"quantised weights: {block.name}.{packed[0]}, {checkpoint.dtype(f'{block.name}.{packed[0]}')}",
                expected="floating-point matrices, whose gradients and zeros mean something",
                where=str(checkpoint.folder),
                remedy="score the model in its own format, or convert it (a GGUF file is converted to bfloat16)",
            )
        if block.mixtures:
            raise EditError(
                found=f"a mixture of experts in {block.name}",
                expected="dense attention and MLP matrices",
                where=str(checkpoint.folder),
                remedy="choose a dense model: an expert is scored by the tokens that reach it alone, and scores do not compare",
            )
        if other := _elsewhere(block):
            raise EditError(
                found=f"matrices outside attention and MLP: {block.name}.{other}",
                expected="blocks of attention and an MLP, every matrix of which is scored",
                where=str(checkpoint.folder),
                remedy="choose a model whose blocks are attention and an MLP: a mask would leave out these matrices unseen",
            )
        found = [
            f"{block.name}.{name.removesuffix('.weight')}"
            for name in inside
            if name.endswith(".weight") and len(block.shapes[name]) == 2
        ]
        if turned := [name for name in found if stored_transposed(name)]:
            raise EditError(
                found=f"{turned[0]}, which is stored transposed",
                expected="matrices whose rows are outputs and whose columns are inputs",
                where=str(checkpoint.folder),
                remedy="choose a model other than GPT-2: scores by input and the spaces of outputs would read its matrices the "
                "wrong way round",
            )
        if not found:
            raise EditError(found=f"no matrices in {block.name}", expected="attention and an MLP", where=str(checkpoint.folder))
        names += found
    return tuple(dense_shapes(checkpoint, names))


def scored_matrices(loaded: LoadedModel, checkpoint: Checkpoint) -> dict[str, torch.nn.Parameter]:
    """The parameters behind ``scored_names`` in memory.

    Raises:
        EditError: as ``scored_names``; two matrices that are one (tied weights), or one that the model in memory lacks.
    """
    found: dict[str, torch.nn.Parameter] = {}
    known = dict(loaded.model.named_parameters(remove_duplicate=False))
    for name in scored_names(checkpoint):
        weight = known.get(f"{name}.weight")
        if weight is None or not weight.is_floating_point():
            raise EditError(
                found="no such floating-point parameter in memory",
                expected=f"{name}.weight",
                where=str(loaded.folder),
                remedy="score a model that is neither quantised nor fused when it is loaded",
            )
        if twin := next((other for other, one in known.items() if one is weight and other != f"{name}.weight"), None):
            raise EditError(
                found=f"{name} tied to {twin}",
                expected="a matrix of its own",
                where=str(loaded.folder),
                remedy="a mask of one would change the other: untie them in a copy of the checkpoint",
            )
        found[name] = weight
    return found


def _elsewhere(block: BlockTensors) -> str | None:
    """A matrix of a layer that is neither attention nor MLP; a single map of the block (Gemma 4's gates) is no layer."""
    for name, shape in block.shapes.items():
        layer, *inside = name.split(".")
        if layer not in SUBLAYERS and len(inside) > 1 and name.endswith(".weight") and len(shape) == 2:
            return name
    return None


def _packed(checkpoint: Checkpoint, tensor: str) -> bool:
    return checkpoint.dtype(tensor) not in FLOATS or tensor.endswith(
        (".qweight", ".weight_scale", ".weight_scale_inv", ".absmax")
    )
