"""What a file of a sparse autoencoder holds, as its header says: before weights are read, and without opening a model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from anatomy.errors import ModelError, parsing

FILE = ("encoder.weight", "encoder.bias", "W_dec", "b_dec")
"""Names in a safetensors file: encoder [feature, d_model] and its bias, decoder [feature, d_model] and its bias."""
REMEDY = "name the weights of a sparse autoencoder under these names, or leave features.file out to train one"


class AutoencoderShape(NamedTuple):
    """Features of a dictionary, and the width of the stream that it rebuilds."""

    features: int
    width: int


def autoencoder_shape(path: Path) -> AutoencoderShape:
    """Size of the autoencoder in a safetensors file with tensors ``FILE``.

    Raises:
        ModelError: no such file, a folder, a damaged one, a tensor missing, of other axes or no real numbers with a point, or
            parts that do not fit one another.
    """
    from safetensors import SafetensorError, safe_open

    with parsing(
        ModelError,
        str(path),
        f"a safetensors file with {', '.join(FILE)}",
        SafetensorError,
        remedy=REMEDY,
    ):
        if path.is_dir():
            raise ModelError(
                found="a folder", expected=f"a safetensors file with {', '.join(FILE)}", where=str(path), remedy=REMEDY
            )
        with safe_open(str(path), framework="numpy") as tensors:
            kept = sorted(tensors.keys())
            if missing := sorted(set(FILE) - set(kept)):
                raise ModelError(
                    found=f"no {', '.join(missing)}, but {', '.join(kept) or 'nothing'}",
                    expected=f"a safetensors file with {', '.join(FILE)}",
                    where=str(path),
                    remedy=REMEDY,
                )
            shapes = [tuple(tensors.get_slice(name).get_shape()) for name in FILE]
            types = {name: str(tensors.get_slice(name).get_dtype()) for name in FILE}
    if whole := [f"{name} of {kind}" for name, kind in types.items() if not kind.startswith(("F", "BF"))]:
        raise ModelError(
            found=", ".join(whole),
            expected="floating-point numbers",
            where=str(path),
            remedy="write the autoencoder's weights as they are multiplied, in float32, float16 or bfloat16",
        )
    if [len(shape) for shape in shapes] != [2, 1, 2, 1]:
        raise ModelError(
            found=f"tensors of shape {', '.join(map(str, shapes))}",
            expected=f"matrices and vectors: {', '.join(FILE)}, with a row a feature",
            where=str(path),
            remedy="write the autoencoder with one tensor of each name, without further axes",
        )
    encoder, encoder_bias, decoder, bias = shapes
    if {encoder[1], decoder[1], bias[0]} != {encoder[1]} or {encoder[0], decoder[0], encoder_bias[0]} != {encoder[0]}:
        raise ModelError(
            found=f"tensors of shape {', '.join(map(str, shapes))}",
            expected=f"{', '.join(FILE)} of one width, with as many decoder rows as features",
            where=str(path),
            remedy="write encoder and decoder with a row a feature; a decoder is often kept transposed",
        )
    return AutoencoderShape(encoder[0], encoder[1])
