"""What matrices are called: which of them write to the residual stream, which read it, and which are stored transposed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anatomy.models.sites import EMBEDDING_SITE, WriterSite

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor, nn

ATTENTION_WRITES = ("o_proj", "dense", "c_proj")
"""What joins the heads of a block: Llama's name, then Phi-2's and GPT-NeoX's, then GPT-2's."""

MLP_WRITES = ("down_proj", "dense_4h_to_h", "fc2", "c_proj")
"""What ends an MLP: Llama's name, then GPT-NeoX's, Phi-2's, and that of GPT-2 and Starcoder2."""

ATTENTION_READS = ("q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn")
MLP_READS = ("gate_proj", "up_proj", "gate_up_proj", "dense_h_to_4h", "fc1", "c_fc")

READERS = frozenset((*ATTENTION_READS, *MLP_READS))
"""Matrices of a block that read the stream, or what was read, and write nothing to it."""

EMBEDDINGS = ("embed_tokens", "embed_in", "wte")
"""Embeddings of tokens: Llama's name, then GPT-NeoX's, then GPT-2's."""

POSITIONS = "wpe"
"""GPT-2's embedding of positions, which writes beside that of tokens."""

IN_BLOCK = re.compile(r"^(?P<stack>(?:.*\.)?(?:layers|transformer\.h))\.(?P<layer>\d+)\.(?P<inside>.+)$")
"""A tensor of a block. A language model's has a matrix that joins heads; a stack that sees or hears calls it otherwise."""

_CONV1D = re.compile(r"(?:^|\.)transformer\.h\.\d+\.(?:attn|mlp)\.c_\w+$")
_ATTENTION = ("attn", "self_attn", "attention")

TRANSPOSED = "gpt2"
"""The ``model_type`` whose blocks (``transformer.h``) hold transformers' Conv1D: W is stored as [d_in, d_out]."""


def writing_site(name: str) -> WriterSite | None:
    """The site at which a matrix writes to the stream, by its dotted name; None where it is no name of a writer."""
    *before, last = name.split(".")
    if is_embedding(name):
        return EMBEDDING_SITE
    if last in ATTENTION_WRITES and (last not in MLP_WRITES or (before and before[-1] in _ATTENTION)):
        return "o_proj"
    return "down_proj" if last in MLP_WRITES else None


def is_embedding(name: str) -> bool:
    """Whether a matrix is an embedding, of tokens or of positions."""
    return name.rpartition(".")[2] in (*EMBEDDINGS, POSITIONS)


def stored_transposed(name: str) -> bool:
    """Whether a matrix W [d_out, d_in] is stored as its transpose: embeddings, and all of GPT-2's blocks."""
    return is_embedding(name) or _CONV1D.search(name) is not None


def matrix_of(module: nn.Module) -> Float[Tensor, "d_out d_in"]:
    """W of a linear map in memory, whichever way it keeps it."""
    weight: Tensor = module.weight
    return weight.T if is_stored_transposed(module) else weight


def is_stored_transposed(module: nn.Module) -> bool:
    """Whether a module in memory is a linear map that keeps W as its transpose: transformers' Conv1D, of GPT-2."""
    return type(module).__name__ == "Conv1D"
