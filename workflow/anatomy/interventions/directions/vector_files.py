"""Directions of every layer in the files that steering libraries keep them in.

Two forms: llama.cpp's and repeng's control vector (GGUF, architecture ``controlvector``, a tensor ``direction.N`` for the output
of block N, from block 1), and a plain safetensors file with one tensor [layer, d_model]. Here layer l is the input of block l, so
that it is N = l - 1 there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import DataError, ModelError, parsing
from anatomy.models.gguf.header import read_header
from anatomy.store.files import write_aside
from anatomy.store.writable import require_file

ARCHITECTURE = "controlvector"
PLAIN = "directions"
"""Name of the one tensor of a plain file."""
KINDS = (".gguf", ".safetensors")

Vectors = dict[int, Float32[Tensor, " d_model"]]
"""A direction by layer: layer l is the input of block l."""


def write_vectors(vectors: Vectors, path: Path, hint: str, facts: Mapping[str, str]) -> list[int]:
    """Write directions as a control vector (``.gguf``) or as a plain file (``.safetensors``), by the name of the file.

    A plain file has a row for each layer from 0; a layer without a direction holds zeros. A control vector has no place for the
    inputs of blocks 0 and 1: the embedding, and the output of block 0, which llama.cpp refuses.

    Args:
        hint: the model's type, such as ``llama``; readers compare it.
        facts: what else the file says of itself, as text.

    Returns:
        The layers that were written.

    Raises:
        DataError: another kind of file, or nothing to write.
        ConfigError: a file that cannot be written.
    """
    require_kind(path)
    kept = {layer: vector for layer, vector in sorted(vectors.items()) if path.suffix != ".gguf" or layer >= 2}
    if not kept:
        raise DataError(
            found=f"directions of layers {sorted(vectors)}",
            expected="one of layer 2 or above" if vectors else "at least one",
            where=str(path),
            remedy="a control vector begins at the output of block 1; write .safetensors instead" if vectors else "extract one",
        )
    require_file(path, "the file of directions")
    if path.suffix == ".gguf":
        write_aside(path, partial(_write_control_vector, kept, hint, facts))
        return list(kept)
    rows = torch.zeros(max(kept) + 1, len(next(iter(kept.values()))))
    for layer, vector in kept.items():
        rows[layer] = vector
    said = {
        "model_type": hint,
        "layers": " ".join(map(str, kept)),
        "row": "the residual stream at the input of that block",
        **facts,
    }
    write_aside(path, lambda aside: save_file({PLAIN: rows}, aside, said))
    return list(kept)


def read_vectors(path: Path) -> Vectors:
    """Directions by layer from a control vector or from a safetensors file with one tensor [layer, d_model].

    Rows of zeros hold no direction.

    Raises:
        DataError: no such file, another kind or shape, or no direction in it.
    """
    require_kind(path)
    if not path.is_file():
        raise DataError(found="no such file", expected="directions by layer", where=str(path), remedy="check the path")
    found = _control_vector(path) if path.suffix == ".gguf" else _plain(path)
    if len(shapes := {tuple(vector.shape) for vector in found.values()}) > 1 or any(len(shape) != 1 for shape in shapes):
        raise DataError(
            found=f"shapes {sorted(shapes)}", expected="vectors of one width", where=str(path), remedy="write the file again"
        )
    kept = {layer: vector.float() for layer, vector in sorted(found.items()) if vector.any()}
    broken = [layer for layer, vector in kept.items() if not torch.isfinite(vector).all()]
    if broken or not kept:
        raise DataError(
            found=f"NaN or infinity in layer {broken[0]}" if broken else "no direction that is not zero",
            expected="finite directions",
            where=str(path),
            remedy="write the file again",
        )
    return kept


def made_for(path: Path) -> str:
    """The type of model that a file says its directions are of, as its maker calls it; empty where it says nothing."""
    if path.suffix == ".gguf":
        from gguf import GGUFReader

        field = GGUFReader(path).get_field(f"{ARCHITECTURE}.model_hint")
        return "" if field is None else str(field.contents())
    with safe_open(path, framework="pt") as stream:
        return str((stream.metadata() or {}).get("model_type", ""))


def require_kind(path: Path) -> None:
    """Refuse (``DataError``) a name that is none of a file with directions."""
    if path.suffix not in KINDS:
        raise DataError(
            found=f"the name {path.name}",
            expected=f"a name that ends in {' or '.join(KINDS)}",
            where=str(path),
            remedy="pickles (.pt, .bin, .pkl) run code when they are opened: save the tensor as safetensors",
        )


def _write_control_vector(vectors: Vectors, hint: str, facts: Mapping[str, str], path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, ARCHITECTURE)
    writer.add_string(f"{ARCHITECTURE}.model_hint", hint)
    writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(vectors))
    for name, text in facts.items():
        writer.add_string(f"{ARCHITECTURE}.{name}", text)
    for layer, vector in vectors.items():
        writer.add_tensor(f"direction.{layer - 1}", vector.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _control_vector(path: Path) -> dict[int, Tensor]:
    from gguf import GGUFReader, dequantize

    try:
        architecture = read_header(path).architecture
    except ModelError as error:
        raise DataError(found=error.found, expected=error.expected, where=error.where, remedy=error.remedy) from None
    if architecture != ARCHITECTURE:
        raise DataError(
            found=f"a GGUF file of architecture {architecture!r}",
            expected=f"a control vector ({ARCHITECTURE!r})",
            where=str(path),
            remedy="a model is converted by quickstart; a control vector is what repeng and llama.cpp write",
        )
    found = {}
    with parsing(DataError, str(path), "a control vector", remedy="write the file again"):
        for tensor in GGUFReader(path).tensors:
            if number := re.fullmatch(r"direction\.(\d+)", tensor.name):
                found[int(number[1]) + 1] = torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=torch.float32)
    return found


def _plain(path: Path) -> dict[int, Tensor]:
    with parsing(DataError, str(path), "a safetensors file", SafetensorError, remedy="write the file again"):
        tensors = load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    tables = [tensor for tensor in tensors.values() if tensor.ndim == 2]
    if len(tensors) != 1 or not tables:
        raise DataError(
            found=f"tensors {shapes}",
            expected="one tensor [layer, d_model]",
            where=str(path),
            remedy="save that one tensor alone",
        )
    if not tables[0].is_floating_point():
        raise DataError(
            found=f"numbers of type {str(tables[0].dtype).removeprefix('torch.')}",
            expected="directions in a floating-point format",
            where=str(path),
            remedy="save the tensor as float32",
        )
    return dict(enumerate(tables[0]))
