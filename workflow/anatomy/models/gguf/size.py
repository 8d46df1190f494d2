"""How large the model in a GGUF file is, before it has been converted."""

from __future__ import annotations

from math import prod

from anatomy.models.gguf.header import Header
from anatomy.models.size import ModelSize


def gguf_size(header: Header) -> ModelSize:
    """The size of the folder that the file becomes, in float32.

    Args:
        header: of a file that states its sizes; what it does not state counts as 0.
    """
    parameters = header.parameters
    heads, width = (_number(header, key) for key in ("attention.head_count", "embedding_length"))
    return ModelSize(
        parameters=parameters,
        floating=parameters,
        bytes_by_dtype={"F32": 4 * parameters},
        layers=_number(header, "block_count"),
        d_model=width,
        intermediate=_number(header, "feed_forward_length"),
        vocabulary=next((tensor.shape[0] for tensor in header.tensors if tensor.name == "token_embd.weight"), 0),
        kv_heads=_number(header, "attention.head_count_kv") or heads,
        in_blocks=sum(
            prod(tensor.shape) for tensor in header.tensors if tensor.name.startswith("blk.") and len(tensor.shape) == 2
        ),
        head_dim=_number(header, "attention.key_length") or width // max(heads, 1),
    )


def _number(header: Header, key: str) -> int:
    found = header.own(key)
    return found if isinstance(found, int) else 0
