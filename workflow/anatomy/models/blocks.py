"""How a decoder is cut into residual blocks, and which modules' outputs are added to the residual stream."""

from dataclasses import dataclass

from torch import nn

from anatomy.errors import ModelError
from anatomy.models.matrix_names import ATTENTION_READS, ATTENTION_WRITES, MLP_WRITES

POST_NORMS = {
    "post_feedforward_layernorm": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "post_mlp_layernorm": ("post_self_attn_layernorm", "post_mlp_layernorm"),
}
"""Norms between a sublayer and the residual stream: Gemma-2/3 and OLMo-2/3, then GLM-4. (Llama's
``post_attention_layernorm`` stands before the MLP and is no such norm.)"""


@dataclass(frozen=True)
class Block:
    """One residual block: ``stream += attention; stream += mlp``, one after the other or side by side (GPT-NeoX, Phi-2).

    Attributes:
        layer: 0-based index.
        name: dotted name inside the model.
        module: the block; its input is the residual stream at ``layer``.
        attention: attention sublayer (holds ``o_proj``, or what its family calls so: ``matrix_names``).
        mlp: MLP sublayer (holds ``down_proj``, likewise).
        attention_write: the module whose output attention adds to the stream; the post-norm where there is one.
        mlp_write: the same for the MLP.
        post_norm: whether a norm stands between sublayer and stream, so that editing ``W`` is not editing the write.
    """

    layer: int
    name: str
    module: nn.Module
    attention: nn.Module
    mlp: nn.Module
    attention_write: nn.Module
    mlp_write: nn.Module
    post_norm: bool

    @property
    def output_projection(self) -> nn.Module:
        """The matrix that joins the heads of its attention."""
        return getattr(self.attention, next(name for name in ATTENTION_WRITES if hasattr(self.attention, name)))

    @property
    def mlp_output(self) -> nn.Module | None:
        """The matrix that ends its MLP; None where that is no one matrix."""
        return next((getattr(self.mlp, name) for name in MLP_WRITES if hasattr(self.mlp, name)), None)


def decoder_blocks(model: nn.Module) -> list[Block]:
    """Blocks of a causal language model, in order.

    Raises:
        ModelError: no list of ``num_hidden_layers`` blocks, each with one attention and one MLP sublayer, is found.
    """
    num_layers = model.config.get_text_config().num_hidden_layers
    stacks = [
        found
        for name, stack in model.named_modules()
        if isinstance(stack, nn.ModuleList) and len(stack) == num_layers and (found := _described(name, stack)) is not None
    ]
    if len(stacks) != 1:
        expected = f"{num_layers} blocks with one o_proj and one down_proj sublayer"
        raise ModelError(
            found=f"{len(stacks)} lists of {expected}{_others(model, num_layers)}",
            expected="exactly one",
            where=type(model).__name__,
            remedy="choose a model whose every block is one attention and one MLP; this architecture has no entry in "
            "anatomy.models.blocks",
        )
    return stacks[0]


def _others(model: nn.Module, num_layers: int) -> str:
    """What stands in the first block that is none of ours, for a message; nothing where there is no list of blocks."""
    for name, stack in model.named_modules():
        if isinstance(stack, nn.ModuleList) and len(stack) == num_layers:
            layer = next((layer for layer, block in enumerate(stack) if _sublayers(block) is None), 0)
            parts = [f"{child} ({type(part).__name__})" for child, part in stack[layer].named_children() if _has_matrix(part)]
            return f"; {name}.{layer} has {', '.join(parts)}"
    return ""


def _described(name: str, stack: nn.ModuleList) -> list[Block] | None:
    """The blocks of a list of modules; None if one of them is no block."""
    blocks = []
    for layer, block in enumerate(stack):
        if (sublayers := _sublayers(block)) is None:
            return None
        blocks.append(_describe(layer, f"{name}.{layer}", block, *sublayers))
    return blocks


def _sublayers(block: nn.Module) -> tuple[nn.Module, nn.Module] | None:
    """Attention and MLP of a block; None unless it has one of each and no third part with matrices, which might write too."""
    attention = [child for child in block.children() if _is_attention(child)]
    mlp = [child for child in block.children() if child not in attention and _is_mlp(child)]
    if not len(attention) == len(mlp) == 1:
        return None
    # The engine packs its matrices away, so that there attention and MLP may have none that can be seen.
    others = [child for child in block.children() if child not in (attention[0], mlp[0]) and _has_matrix(child)]
    return None if others else (attention[0], mlp[0])


def _is_attention(child: nn.Module) -> bool:
    reads = any(hasattr(child, name) for name in ATTENTION_READS)
    return hasattr(child, "o_proj") or (reads and any(hasattr(child, name) for name in ATTENTION_WRITES))


def _is_mlp(child: nn.Module) -> bool:
    names = _leaf_names(child)
    return any({*one} <= names for one in (("down_proj",), ("dense_4h_to_h",), ("fc1", "fc2"), ("c_fc", "c_proj")))


def _has_matrix(module: nn.Module) -> bool:
    return any(parameter.ndim >= 2 for parameter in module.parameters())


def _leaf_names(module: nn.Module) -> set[str]:
    named = [name for name, _ in module.named_modules()] + [name for name, _ in module.named_parameters()]
    return {name.rpartition(".")[2] for name in named}


def _describe(layer: int, name: str, block: nn.Module, attention: nn.Module, mlp: nn.Module) -> Block:
    for marker, (after_attention, after_mlp) in POST_NORMS.items():
        if all(hasattr(block, norm) for norm in (marker, after_attention, after_mlp)):
            writes = getattr(block, after_attention), getattr(block, after_mlp)
            return Block(layer, name, block, attention, mlp, *writes, post_norm=True)
    return Block(layer, name, block, attention, mlp, attention, mlp, post_norm=False)
