"""Whether what a change writes lies on a direction of the original model, beside what chance gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.errors import DataError

REFUSAL = "refusal"
"""What the direction is called that prompts give, or a file in its place."""

DRAWS = 4999
"""Random unit vectors that a cosine is compared with."""


@dataclass(frozen=True)
class Reference:
    """Candidate directions of the original model.

    Attributes:
        units: unit vectors, one a place.
        places: what each is called.
        source: where they come from, in words.
        name: what they stand for, such as ``refusal`` or ``style``.
        matched: draws from the covariance of the model's activations, unit vectors at each of its places; None without any.
    """

    units: Float64[Tensor, "place d_model"]
    places: tuple[str, ...]
    source: str
    name: str = REFUSAL
    matched: Float64[Tensor, "draw any_place d_model"] | None = None

    def nearest(self, vector: Float64[Tensor, " d_model"]) -> Float64[Tensor, " d_model"]:
        """The candidate with the largest |cosine|."""
        return self.units[int((self.units @ vector).abs().argmax())]


@dataclass(frozen=True)
class Standing:
    """A vector beside the candidates.

    Attributes:
        name, source: of the candidates.
        cosine: largest |cosine| with a candidate.
        place: that candidate.
        quantile: share of random unit vectors whose largest |cosine| is smaller.
        chance: their 0.95 quantile.
        p: ``(1 + #{random >= cosine}) / (DRAWS + 1)``.
        matched_p: the same among directions drawn from the model's own activations, which all lie closer to each other than
            random ones do; NaN without any.
        matched_chance: their 0.95 quantile.
        matched_draws, matched_places: how many there are, and among how many places each has its choice.
    """

    name: str
    source: str
    cosine: float
    place: str
    quantile: float
    chance: float
    p: float
    matched_p: float = float("nan")
    matched_chance: float = float("nan")
    matched_draws: int = 0
    matched_places: int = 0


def standing(vector: Float64[Tensor, " d_model"], reference: Reference, seed: int = 0) -> Standing:
    """Compare the largest |cosine| over all candidates with that of random unit vectors, which have the same choice."""
    cosines = (reference.units @ vector).abs()
    best = int(cosines.argmax())
    drawn = torch.randn(DRAWS, len(vector), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    random = (torch.nn.functional.normalize(drawn, dim=1) @ reference.units.T).abs().amax(1)
    cosine = cosines[best].item()
    at_least = int((random >= cosine).sum())
    found = Standing(
        reference.name,
        reference.source,
        cosine,
        reference.places[best],
        1 - at_least / DRAWS,
        random.quantile(0.95).item(),
        (1 + at_least) / (DRAWS + 1),
    )
    if reference.matched is None:
        return found
    # The axis has its choice among the candidates; each draw has its choice among its own places.
    draws = (reference.matched @ vector).abs().amax(1)
    p = (1 + int((draws >= cosine).sum())) / (len(draws) + 1)
    chance, (drawn_in_all, places) = draws.quantile(0.95).item(), reference.matched.shape[:2]
    return replace(found, matched_p=p, matched_chance=chance, matched_draws=drawn_in_all, matched_places=places)


def reference_of(vectors: Float[Tensor, "*place d_model"], places: list[str], source: str, name: str = REFUSAL) -> Reference:
    """Candidates at unit norm, those of norm zero left out.

    Raises:
        DataError: none is left, or one that is no numbers.
    """
    flat = vectors.double().reshape(-1, vectors.shape[-1])
    norms = flat.norm(dim=1)
    if broken := [places[place] for place in range(len(flat)) if not torch.isfinite(norms[place])]:
        raise DataError(
            found=f"NaN or infinity in {broken[0]}" + (f" and {len(broken) - 1} more" if len(broken) > 1 else ""),
            expected="finite directions",
            where=source,
            remedy="write the file again, or leave these out",
        )
    kept = [place for place in range(len(flat)) if norms[place] > 0]
    if not kept:
        raise DataError(found="directions of norm zero", expected="a direction", where=source)
    return Reference(flat[kept] / norms[kept, None], tuple(places[place] for place in kept), source, name)


def unit_rows(rows: int, columns: int, seed: int) -> Float[Tensor, "row column"]:
    """Orthonormal rows drawn uniformly, fp32."""
    drawn = torch.randn(columns, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(drawn)[0].T.float().contiguous()
