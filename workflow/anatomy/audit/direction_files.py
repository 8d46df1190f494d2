"""Directions of the original model from files, as the command line names them."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from anatomy.audit.directions import REFUSAL, Reference, reference_of
from anatomy.errors import ConfigError, DataError, parsing
from anatomy.interventions.directions.candidates import Directions, card_path, load_directions
from anatomy.interventions.directions.vector_files import read_vectors, require_kind
from anatomy.models.activations.answers import ALL


def named_file(text: str) -> tuple[str, Path]:
    """``style=path.safetensors`` from the command line; a path alone stands for the refusal direction."""
    name, equals, path = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return REFUSAL, Path(text)
    if not (name and path):
        raise argparse.ArgumentTypeError(f"{text}: expected a path, or a name, = and a path, such as style=style.safetensors")
    return name, Path(path)


def read_references(files: list[tuple[str, Path]], d_model: int) -> list[Reference]:
    """Every direction that the command line names, in its order.

    Raises:
        ConfigError: two of one name.
        DataError: as ``read_reference``.
    """
    names = [name for name, _ in files]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(
            found=f"two directions called {twice}",
            expected="a name for each",
            where="--direction",
            remedy="such as --direction style=style.safetensors; a path without a name is the refusal direction",
        )
    return [read_reference(path, d_model, name) for name, path in files]


def read_reference(path: Path, d_model: int, name: str = REFUSAL) -> Reference:
    """Directions of a file: those of an extraction with their places; a control vector (``.gguf``) by layer; else every tensor of
    a safetensors file whose last axis is the width of the stream.

    Args:
        name: what they stand for.

    Raises:
        DataError: no such file, another kind, nothing of that width in it, or a row that is no numbers.
    """
    require_kind(path)
    if not path.is_file():
        raise DataError(
            found="no such file", expected="directions of the original model", where=str(path), remedy="check the path"
        )
    if card_path(path).is_file():
        own = load_directions(path)
        if own.vectors.shape[-1] != d_model:
            raise _other_width(path, d_model)
        source = f"{path.parent.name} directions of {path.parent.parent.name}"
        return reference_of(own.vectors, places_of(own), source, name)
    if path.suffix == ".gguf":
        vectors = read_vectors(path)
        if len(next(iter(vectors.values()))) != d_model:
            raise _other_width(path, d_model)
        return reference_of(torch.stack([*vectors.values()]), [f"layer {layer}" for layer in vectors], path.name, name)
    places, rows = [], []
    for called, tensor in _tensors(path, d_model).items():
        flat = tensor.reshape(-1, d_model)
        rows.append(flat.float())
        places += [f"{called} {row}" if len(flat) > 1 else called for row in range(len(flat))]
    return reference_of(torch.cat(rows), places, path.name, name)


def places_of(directions: Directions) -> list[str]:
    """What the places of an extraction are called, in the order of its vectors."""
    positions = ["all tokens of answers" if one == ALL else f"position {one}" for one in directions.positions]
    return [f"{position}, layer {layer}" for position in positions for layer in directions.layers]


def _tensors(path: Path, d_model: int) -> dict[str, Tensor]:
    """Tensors of a safetensors file that are as wide as the stream."""
    with parsing(DataError, str(path), "a safetensors file with a direction", SafetensorError):
        found = {name: tensor for name, tensor in load_file(path).items() if tensor.shape and tensor.shape[-1] == d_model}
    if not found:
        raise _other_width(path, d_model)
    if odd := next((name for name, tensor in found.items() if not tensor.is_floating_point()), None):
        raise DataError(
            found=f"{odd} of {str(found[odd].dtype).removeprefix('torch.')}",
            expected="directions in a floating-point format",
            where=str(path),
            remedy="save the direction as float32",
        )
    return found


def _other_width(path: Path, d_model: int) -> DataError:
    return DataError(
        found="no tensor whose last axis is the width of the residual stream",
        expected=f"a direction of {d_model} numbers, or several, as [place, {d_model}]",
        where=str(path),
        remedy="give directions of the original model, such as results/extract/<model>/<contrast>/directions.safetensors",
    )
