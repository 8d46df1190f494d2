"""Candidate directions: one difference in means for each position and layer."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Float64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import DataError, NumericsError, parsing
from anatomy.models.activations.means import Moments
from anatomy.store.files import write_aside, write_json
from anatomy.store.json_objects import JsonObject

NOISE = 1e-6
"""A difference below this share of the mean activation is rounding (layer 0 of a template position: one token)."""


@dataclass(frozen=True)
class Directions:
    """Difference-in-means vectors ``r``, not normalised; a cell without a difference holds zeros.

    Attributes:
        vectors: r[position, layer].
        positions: counted from the end of the rendered prompt.
        layers: layer l is the input of block l.
    """

    vectors: Float32[Tensor, "position layer d_model"]
    positions: tuple[int, ...]
    layers: tuple[int, ...]

    def norms(self) -> Float64[Tensor, "position layer"]:
        return self.vectors.double().norm(dim=-1)

    def vector(self, position: int, layer: int) -> Float32[Tensor, " d_model"]:
        """r at one cell. Raises ``DataError`` for a cell that was not extracted."""
        if position not in self.positions or layer not in self.layers:
            raise DataError(
                found=f"position {position}, layer {layer}",
                expected=f"a position of {list(self.positions)} and a layer of {list(self.layers)}",
                where="directions",
            )
        return self.vectors[self.positions.index(position), self.layers.index(layer)]

    def unit(self, position: int, layer: int) -> Float32[Tensor, " d_model"]:
        """r / ||r|| at one cell. Raises ``NumericsError`` where the norm is zero."""
        return unit_vector(self.vector(position, layer), f"direction at position {position}, layer {layer}")


def unit_vector(vector: Float[Tensor, " d_model"], where: str) -> Float32[Tensor, " d_model"]:
    """The vector at unit norm, fp32. Raises ``NumericsError`` for zero, NaN or infinity."""
    norm = vector.double().norm().item()
    if not 0.0 < norm < float("inf"):
        raise NumericsError(
            found=f"norm {norm}",
            expected="a finite norm above zero",
            where=where,
            remedy="the two prompt sets do not differ there; choose another position or layer",
        )
    return (vector.double() / norm).float()


def difference_in_means(harmful: Moments, harmless: Moments) -> Directions:
    """``r[i, l] = mu[i, l] - nu[i, l]`` (Arditi et al. 2024, section 2.3; ROSI section 3); fp64, kept in fp32.

    Cells that differ by no more than rounding are set to zero exactly, and the grid records them as such.

    Raises:
        DataError: the two sides were read at different places.
        NumericsError: no cell differs, or a NaN.
    """
    if (harmful.positions, harmful.layers) != (harmless.positions, harmless.layers):
        raise DataError(
            found=f"{harmful.positions} x {harmful.layers} and {harmless.positions} x {harmless.layers}",
            expected="the same positions and layers on both sides",
            where="difference in means",
        )
    difference = harmful.mean - harmless.mean
    scale = harmful.mean.norm(dim=-1, keepdim=True) + harmless.mean.norm(dim=-1, keepdim=True)
    difference = torch.where(difference.norm(dim=-1, keepdim=True) <= NOISE * scale, 0.0, difference)
    if not torch.isfinite(difference).all() or not difference.any():
        raise NumericsError(
            found="a direction of zero norm at every position and layer (or NaN)",
            expected="two prompt sets whose mean activations differ",
            where="difference in means",
            remedy="check that the two prompt sets are not the same",
        )
    return Directions(difference.float(), harmful.positions, harmful.layers)


def save_directions(directions: Directions, path: Path, card: JsonObject) -> None:
    """Write ``path`` (safetensors) and beside it ``<stem>.card.json`` with places, norms and the caller's ``card``."""
    place = {"positions": list(directions.positions), "layers": list(directions.layers)}
    write_aside(path, lambda aside: save_file({"vectors": directions.vectors.contiguous()}, aside))
    write_json(card_path(path), {**card, **place, "norms": directions.norms().tolist()})


def load_directions(path: Path) -> Directions:
    """What ``save_directions`` wrote.

    Raises:
        DataError: a missing or damaged file.
    """
    with parsing(
        DataError,
        str(path),
        "directions with their card, as written",
        SafetensorError,
        remedy="delete both files and run again; they will be rebuilt",
    ):
        card = json.loads(card_path(path).read_text(encoding="utf-8"))
        return Directions(load_file(path)["vectors"], tuple(card["positions"]), tuple(card["layers"]))


def card_path(path: Path) -> Path:
    return path.with_suffix(".card.json")
