"""How large a model is, from its configuration and the headers of its weights: no weight is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import IN_BLOCK, writing_site

FLOATING = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
"""Stored formats that loading casts to the dtype asked for; integers (quantised weights, indices) stay as they are."""


@dataclass(frozen=True)
class ModelSize:
    """Counts that memory and disk follow from.

    Attributes:
        parameters: numbers in all weights; a tied output head counts once.
        floating: those among them that are cast when the model is loaded.
        bytes_by_dtype: bytes on disk for each stored format, such as ``{"BF16": 2 * parameters}``.
        layers, d_model, intermediate, vocabulary: widths of the decoder.
        kv_heads, head_dim: heads and width of the keys and values that are cached.
        in_blocks: numbers in the matrices of its blocks, which four bits may hold; 0 where that is not known.
        expert_sides: rows and columns of all matrices that experts write to the stream with, added up; 0 without experts.
    """

    parameters: int
    floating: int
    bytes_by_dtype: dict[str, int]
    layers: int
    d_model: int
    intermediate: int
    vocabulary: int
    kv_heads: int
    head_dim: int
    in_blocks: int = 0
    expert_sides: int = 0

    @property
    def disk(self) -> int:
        """Bytes of the weights as they are stored."""
        return sum(self.bytes_by_dtype.values())

    @property
    def unconverted(self) -> int:
        """Bytes of the weights that loading does not cast."""
        return sum(count for dtype, count in self.bytes_by_dtype.items() if dtype not in FLOATING)


def model_size(checkpoint: Checkpoint) -> ModelSize:
    """The size of a checkpoint, single or sharded.

    Expects the names that the decoder-only configurations of transformers share; heads default as there (one key-value head
    a head, ``head_dim = hidden_size / num_attention_heads``).
    """
    config = checkpoint.text_config
    heads = config.get("num_attention_heads", 1)
    return replace(
        weights_size(checkpoint),
        layers=checkpoint.num_layers,
        d_model=checkpoint.d_model,
        intermediate=config.get("intermediate_size") or 4 * checkpoint.d_model,
        vocabulary=config.get("vocab_size", 0),
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or checkpoint.d_model // heads,
        in_blocks=sum(prod(checkpoint.shape(name)) for name in checkpoint.names() if _matrix_of_a_block(checkpoint, name)),
        expert_sides=sum(_sides(checkpoint.shape(name)) for name in checkpoint.names() if _writes_for_an_expert(name)),
    )


def _matrix_of_a_block(checkpoint: Checkpoint, name: str) -> bool:
    return IN_BLOCK.match(name) is not None and len(checkpoint.shape(name)) == 2 and checkpoint.dtype(name) in FLOATING


def _writes_for_an_expert(name: str) -> bool:
    """Whether a tensor is what an expert writes with, a shared one too, or all experts of a block."""
    return "expert" in name and writing_site(name.removesuffix(".weight")) == "down_proj"


def _sides(shape: tuple[int, ...]) -> int:
    """Rows and columns of a matrix; of all of them, where they lie in one tensor [expert, row, column]."""
    return prod(shape[:-2]) * sum(shape[-2:])


def weights_size(checkpoint: Checkpoint) -> ModelSize:
    """The size of the weights alone, for an architecture whose widths have other names: those are 0."""
    # A tied head that is stored all the same is dropped when the model is loaded.
    names = [name for name in checkpoint.names() if not (checkpoint.tied_embeddings and name == "lm_head.weight")]
    counts = {name: prod(checkpoint.shape(name)) for name in names}
    stored: dict[str, int] = {}
    for name in checkpoint.names():
        dtype = checkpoint.dtype(name)
        stored[dtype] = stored.get(dtype, 0) + checkpoint.stored_bytes(name)
    return ModelSize(
        parameters=sum(counts.values()),
        floating=sum(count for name, count in counts.items() if checkpoint.dtype(name) in FLOATING),
        bytes_by_dtype=stored,
        layers=0,
        d_model=0,
        intermediate=0,
        vocabulary=0,
        kv_heads=0,
        head_dim=0,
    )
