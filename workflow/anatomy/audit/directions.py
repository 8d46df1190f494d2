"""Whether what a change writes lies on a direction of the original model, beside what chance gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from anatomy.errors import DataError, parsing
from anatomy.interventions.directions.candidates import Directions, card_path, load_directions

DRAWS = 4999
"""Random unit vectors that a cosine is compared with."""


@dataclass(frozen=True)
class Reference:
    """Candidate directions of the original model.

    Attributes:
        units: unit vectors, one a place.
        places: what each is called.
        source: where they come from, in words.
        matched: draws from the covariance of the model's activations at the same places, unit vectors; None without any.
    """

    units: Float64[Tensor, "place d_model"]
    places: tuple[str, ...]
    source: str
    matched: Float64[Tensor, "draw any_place d_model"] | None = None

    def nearest(self, vector: Float64[Tensor, " d_model"]) -> Float64[Tensor, " d_model"]:
        """The candidate with the largest |cosine|."""
        return self.units[int((self.units @ vector).abs().argmax())]


@dataclass(frozen=True)
class Standing:
    """A vector beside the candidates.

    Attributes:
        cosine: largest |cosine| with a candidate.
        place: that candidate.
        quantile: share of random unit vectors whose largest |cosine| is smaller.
        chance: their 0.95 quantile.
        p: ``(1 + #{random >= cosine}) / (DRAWS + 1)``.
        matched_p: the same among directions drawn from the model's own activations, which all lie closer to each other than
            random ones do; NaN without any.
        matched_chance: their 0.95 quantile.
    """

    cosine: float
    place: str
    quantile: float
    chance: float
    p: float
    matched_p: float = float("nan")
    matched_chance: float = float("nan")


def standing(vector: Float64[Tensor, " d_model"], reference: Reference, seed: int = 0) -> Standing:
    """Compare the largest |cosine| over all candidates with that of random unit vectors, which have the same choice."""
    cosines = (reference.units @ vector).abs()
    best = int(cosines.argmax())
    drawn = torch.randn(DRAWS, len(vector), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    random = (torch.nn.functional.normalize(drawn, dim=1) @ reference.units.T).abs().amax(1)
    cosine = cosines[best].item()
    at_least = int((random >= cosine).sum())
    found = Standing(
        cosine, reference.places[best], 1 - at_least / DRAWS, random.quantile(0.95).item(), (1 + at_least) / (DRAWS + 1)
    )
    if reference.matched is None:
        return found
    # The axis has its choice among the candidates; each draw has its choice among its own places.
    draws = (reference.matched @ vector).abs().amax(1)
    p = (1 + int((draws >= cosine).sum())) / (len(draws) + 1)
    return replace(found, matched_p=p, matched_chance=draws.quantile(0.95).item())


def reference_of(vectors: Float[Tensor, "*place d_model"], places: list[str], source: str) -> Reference:
    """Candidates at unit norm, those of norm zero left out.

    Raises:
        DataError: none is left.
    """
    flat = vectors.double().reshape(-1, vectors.shape[-1])
    norms = flat.norm(dim=1)
    kept = [place for place in range(len(flat)) if norms[place] > 0]
    if not kept:
        raise DataError(found="directions of norm zero", expected="a direction", where=source)
    return Reference(flat[kept] / norms[kept, None], tuple(places[place] for place in kept), source)


def places_of(directions: Directions) -> list[str]:
    """What the places of an extraction are called, in the order of its vectors."""
    return [f"position {position}, layer {layer}" for position in directions.positions for layer in directions.layers]


def read_reference(path: Path, d_model: int) -> Reference:
    """Directions of a safetensors file: those of an extraction with their places, else every tensor whose last axis is the width
    of the stream.

    Raises:
        DataError: no such file, or no tensor of that width in it.
    """
    if card_path(path).is_file():
        own = load_directions(path)
        if own.vectors.shape[-1] != d_model:
            raise _other_width(path, d_model)
        return reference_of(own.vectors, places_of(own), f"{path.parent.name} directions of {path.parent.parent.name}")
    with parsing(DataError, str(path), "a safetensors file with a direction", SafetensorError):
        tensors = {name: tensor for name, tensor in load_file(path).items() if tensor.shape and tensor.shape[-1] == d_model}
    if not tensors:
        raise _other_width(path, d_model)
    places, rows = [], []
    for name, tensor in tensors.items():
        flat = tensor.reshape(-1, d_model)
        rows.append(flat.float())
        places += [f"{name} {row}" if len(flat) > 1 else name for row in range(len(flat))]
    return reference_of(torch.cat(rows), places, path.name)


def _other_width(path: Path, d_model: int) -> DataError:
    return DataError(
        found="no tensor whose last axis is the width of the residual stream",
        expected=f"a direction of {d_model} numbers, or several, as [place, {d_model}]",
        where=str(path),
        remedy="give directions of the original model, such as results/extract/<model>/<contrast>/directions.safetensors",
    )


def unit_rows(rows: int, columns: int, seed: int) -> Float[Tensor, "row column"]:
    """Orthonormal rows drawn uniformly, fp32."""
    drawn = torch.randn(columns, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(drawn)[0].T.float().contiguous()
