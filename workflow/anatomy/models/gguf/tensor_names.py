"""What a GGUF file calls each weight, and how it stores it, for the architectures that can be converted.

Names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (standardized tensor names). Layouts: llama.cpp's
convert_hf_to_gguf.py interleaves the rows of Llama's queries and keys for its rotary embedding, and adds one to Gemma's norms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

Layout = Literal["interleaved rotary", "norm plus one"]

WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
DENSE = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
FOUR_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
ROTARY_FACTORS = "rope_freqs.weight"
"""Llama 3's factors of its rotary frequencies; no weight of the model, but of its configuration."""
IN_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")


@dataclass(frozen=True)
class Architecture:
    """How files of an architecture are read.

    Attributes:
        block: names within a block, and what transformers calls them.
        layout: how weights are stored otherwise than transformers has them.
        sizes: numbers of blocks by which a larger model is known that computes with a number the file does not state.
    """

    block: Mapping[str, str]
    layout: Layout | None = None
    from_width: frozenset[int] = field(default_factory=frozenset)


ARCHITECTURES = {
    "llama": Architecture(DENSE, "interleaved rotary"),
    "qwen2": Architecture(DENSE),
    "qwen3": Architecture(DENSE | HEAD_NORMS),
    "gemma2": Architecture(DENSE | FOUR_NORMS, "norm plus one", frozenset({46})),
    "gemma3": Architecture(DENSE | FOUR_NORMS | HEAD_NORMS, "norm plus one", frozenset({62})),
}
"""By the file's ``general.architecture``; each has a test in which a model goes through GGUF and back."""


def own_name(architecture: Architecture, name: str) -> str | None:
    """What transformers calls a tensor of the file; None for one that the architecture does not have."""
    if found := IN_BLOCK.fullmatch(name):
        place = architecture.block.get(found[2])
        return place and f"model.layers.{found[1]}.{place}.{found[3]}"
    stem, _, kind = name.rpartition(".")
    return f"{WHOLE[stem]}.{kind}" if stem in WHOLE and kind in ("weight", "bias") else None


def as_computed(
    architecture: Architecture, name: str, weights: Float[Tensor, " rows *columns"], heads: int, key_heads: int
) -> Float[Tensor, " rows *columns"]:
    """A weight as transformers has it, from one as the file stores it.

    Args:
        name: transformers' name.
        heads: of queries.
        key_heads: of keys.
    """
    if architecture.layout == "norm plus one" and "norm" in name.rsplit(".", 2)[-2]:
        return weights - 1
    if architecture.layout == "interleaved rotary" and (".q_proj." in name or ".k_proj." in name):
        count = heads if ".q_proj." in name else key_heads
        # The file has (head, half of the head, which half): pairs that are turned together lie side by side.
        pairs = weights.reshape(count, weights.shape[0] // count // 2, 2, *weights.shape[1:])
        return pairs.transpose(1, 2).reshape(weights.shape)
    return weights
