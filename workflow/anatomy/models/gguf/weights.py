"""Weights of a GGUF file, dequantised one tensor at a time into safetensors: no model is held in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file

from anatomy.errors import ModelError
from anatomy.models.gguf.header import Header, Tensor
from anatomy.models.gguf.tensor_names import ARCHITECTURES, ROTARY_FACTORS, as_computed, own_name
from anatomy.progress.counting import counted

SHARD_BYTES = 2**31
"""Weights of one file; as many are in memory at a time, and one tensor more."""


def dequantised(header: Header, tensor: Tensor) -> Float[torch.Tensor, " ..."]:
    """One tensor of the file in float32, as the file lays it out."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

    kind = GGMLQuantizationType(tensor.kind)
    block, size = GGML_QUANT_SIZES[kind]
    shape = (*tensor.shape[:-1], tensor.shape[-1] // block * size)
    with header.path.open("rb") as file:
        file.seek(tensor.begin)
        stored = np.frombuffer(file.read(prod(shape)), dtype=np.uint8).reshape(shape)
    if kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        stored = stored.view(np.float32 if kind == GGMLQuantizationType.F32 else np.float16)
        return torch.from_numpy(stored.astype(np.float32))
    return torch.from_numpy(np.ascontiguousarray(dequantize(stored, kind), dtype=np.float32))


def rotary_factors(header: Header) -> list[float] | None:
    """Llama 3's factors of rotary frequencies, where the file has them."""
    found = next((tensor for tensor in header.tensors if tensor.name == ROTARY_FACTORS), None)
    return None if found is None else dequantised(header, found).tolist()


def quantisations(header: Header) -> dict[str, int]:
    """How many tensors are stored in each type, the most common first."""
    from gguf import GGMLQuantizationType

    return dict(Counter(GGMLQuantizationType(tensor.kind).name for tensor in header.tensors).most_common())


def require_same_weights(header: Header, config: Any) -> None:
    """Compare the file's tensors with those of the architecture, before any is read.

    Raises:
        ModelError: one is missing, has no place, or is of another shape.
    """
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        wanted = {name: tuple(weight.shape) for name, weight in AutoModelForCausalLM.from_config(config).state_dict().items()}
    if config.tie_word_embeddings:
        wanted.pop("lm_head.weight", None)
    found = {name: tensor.shape for name, tensor in _named(header)}
    wrong = [f"no {name}" for name in sorted(wanted.keys() - found.keys())]
    wrong += [f"{name}, which has no place" for name in sorted(found.keys() - wanted.keys())]
    wrong += [
        f"{name} of shape {found[name]} instead of {wanted[name]}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name] != wanted[name]
    ]
    if wrong:
        raise ModelError(
            found=f"{wrong[0]}" + (f", and {len(wrong) - 1} more" if wrong[1:] else ""),
            expected=f"the weights of {config.architectures[0]}",
            where=str(header.path),
            remedy="take another conversion of the model, or its safetensors",
        )


def write_weights(header: Header, config: Any, dtype: torch.dtype, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write every weight into safetensors in ``folder``, as transformers names and shapes it.

    Args:
        dtype: number format to store; dequantisation itself is in float32.
    """
    architecture = ARCHITECTURES[header.architecture]
    shards: list[list[str]] = []
    held: dict[str, torch.Tensor] = {}
    total = 0

    def put() -> None:
        name = f"part-{len(shards):05d}"
        save_file(held, folder / name, metadata={"format": "pt"})
        shards.append(list(held))
        held.clear()

    entries = list(_named(header))
    for name, tensor in counted(entries, "tensors dequantised", len(entries)):
        weights = as_computed(
            architecture, name, dequantised(header, tensor), config.num_attention_heads, config.num_key_value_heads
        )
        held[name] = weights.to(dtype).contiguous()
        total += held[name].nbytes
        if sum(kept.nbytes for kept in held.values()) >= shard_bytes:
            put()
    if held:
        put()
    if len(shards) == 1:
        (folder / "part-00000").rename(folder / "model.safetensors")
        return
    places: dict[str, str] = {}
    for number, names in enumerate(shards):
        place = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"part-{number:05d}").rename(folder / place)
        places |= dict.fromkeys(names, place)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _named(header: Header) -> Iterator[tuple[str, Tensor]]:
    """The file's tensors under transformers' names."""
    for tensor in header.tensors:
        if tensor.name != ROTARY_FACTORS and (name := own_name(ARCHITECTURES[header.architecture], tensor.name)):
            yield name, tensor
