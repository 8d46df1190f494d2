"""Names and shapes of the tensors of every block, of a model in memory or of a checkpoint."""

import re
from dataclasses import dataclass

from torch import nn

from anatomy.errors import EditError
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.experts import one_an_expert
from anatomy.models.matrix_names import IN_BLOCK, TRANSPOSED, writing_site
from anatomy.models.packed import shape_of

STACK = "model.layers"
STACKS = (STACK, "gpt_neox.layers", "transformer.h", "model.language_model.layers")
"""Where models keep the blocks of their language model: nearly all, GPT-NeoX, GPT-2, and those that see."""

_BUFFER = re.compile(r"^(?:attn|attention)\.(?:bias|masked_bias|rotary_emb\.inv_freq)$")
"""What old files of GPT-2 and GPT-NeoX hold besides weights: masks of attention, and frequencies."""


@dataclass(frozen=True)
class BlockTensors:
    """What one block is made of.

    Attributes:
        name: dotted name of the block.
        layer: 0-based index.
        shapes: shape of each tensor by its name inside the block.
        d_model: width of the residual stream.
    """

    name: str
    layer: int
    shapes: dict[str, tuple[int, ...]]
    d_model: int

    @property
    def mixtures(self) -> set[str]:
        """Children of the block that are mixtures of experts: fused (three axes, one of them the stream's), or one module an
        expert. A convolution has three axes too, and none of the stream's width but the first.
        """
        return {
            inside.partition(".")[0]
            for inside, shape in self.shapes.items()
            if (len(shape) == 3 and self.d_model in shape[1:]) or ".experts." in inside
        }


def block_tensors(source: nn.Module | Checkpoint) -> list[BlockTensors]:
    """The blocks of a causal language model in order.

    Raises:
        EditError: a checkpoint with no stack of blocks, with several, or with one under another name than in memory.
        ModelError: as ``decoder_blocks``.
    """
    if isinstance(source, Checkpoint):
        return _stored(source)
    width = source.config.get_text_config().hidden_size
    blocks = decoder_blocks(source)
    _refuse_other_layout(blocks[0].name.rpartition(".")[0], source.config.model_type, place(source))
    return [BlockTensors(block.name, block.layer, one_an_expert(_shapes(block.module)), width) for block in blocks]


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: shape_of(part) for name, part in module.named_parameters()}


def has_experts(source: nn.Module | Checkpoint) -> bool:
    """Whether a block's MLP is a mixture of experts. Raises as ``block_tensors``."""
    return any(block.mixtures for block in block_tensors(source))


def place(source: nn.Module | Checkpoint) -> str:
    """What messages call the source."""
    return str(source.folder) if isinstance(source, Checkpoint) else type(source).__name__


def _stored(checkpoint: Checkpoint) -> list[BlockTensors]:
    stacks: dict[str, dict[int, dict[str, tuple[int, ...]]]] = {}
    for name in checkpoint.names():
        if (match := IN_BLOCK.match(name)) and not _BUFFER.match(match["inside"]):
            block = stacks.setdefault(match["stack"], {}).setdefault(int(match["layer"]), {})
            block[match["inside"]] = checkpoint.shape(name)
    # A model that sees has a stack for images too; only the language model's attention ends in o_proj, or what is called so here.
    found = [stack for stack, blocks in stacks.items() if any(_joins_heads(name) for one in blocks.values() for name in one)]
    if len(found) != 1:
        raise EditError(
            found=f"{len(found)} stacks of blocks with o_proj, among {sorted(stacks)}",
            expected="exactly one",
            where=place(checkpoint),
            remedy="this architecture is not supported; no partial edit is made",
        )
    if found[0] not in STACKS:
        raise EditError(
            found=f"blocks under {found[0]}",
            expected=f"blocks under {STACK}, as a text-only model has them",
            where=place(checkpoint),
            remedy="take the language model on its own: transformers renames these tensors as it loads them, so that an edit "
            "of the names in the file would reach nothing",
        )
    _refuse_other_layout(found[0], checkpoint.config.get("model_type"), place(checkpoint))
    return [
        BlockTensors(f"{found[0]}.{layer}", layer, shapes, checkpoint.d_model)
        for layer, shapes in sorted(stacks[found[0]].items())
    ]


def _joins_heads(inside: str) -> bool:
    return writing_site(inside.rpartition(".")[0]) == "o_proj"


def _refuse_other_layout(stack: str, model_type: str | None, where: str) -> None:
    """Refuse a family that calls its matrices as GPT-2 does and may store them the other way round."""
    if stack == "transformer.h" and model_type != TRANSPOSED:
        raise EditError(
            found=f"blocks under {stack} in a model of type {model_type!r}",
            expected=f"type {TRANSPOSED!r}, whose matrices are known to be stored transposed",
            where=where,
            remedy="this architecture is not supported; no partial edit is made",
        )
