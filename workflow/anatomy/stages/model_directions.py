"""Directions by reference: what an edit's ``direction`` means, read from the extraction of a model.

A reference is ``{"contrast", "position", "layer", "control"}``; ``control`` is None or ``[family, number]``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import Directions, load_directions
from anatomy.interventions.directions.extraction import sound_contrast
from anatomy.interventions.edits.spec import ControlReference, DirectionReference, drawn_control
from anatomy.models.activations.means import Moments


class ModelDirections:
    """Everything that was extracted from one model; files are compared with their card before they are read first.

    Args:
        folder: of the extraction, with one folder a contrast.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.sound = cache(lambda contrast: sound_contrast(self.folder, contrast))
        self.candidates = cache(self._candidates)
        self._read = cache(self._tensors)

    def _tensors(self, contrast: str, name: str) -> dict[str, Tensor]:
        self.sound(contrast)
        return load_file(self.folder / contrast / f"{name}.safetensors")

    def _candidates(self, contrast: str) -> Directions:
        self.sound(contrast)
        return load_directions(self.folder / contrast / "directions.safetensors")

    def directions(self, contrast: str, control: ControlReference | None) -> Directions:
        """All cells of a contrast: the candidates, or a control scaled cell by cell to the norms of the candidates.

        Raises:
            DataError: fewer controls were drawn than are asked for.
        """
        own = self.candidates(contrast)
        if control is None:
            return own
        family, number = drawn_control(control)
        drawn = self._read(contrast, "controls")[family]
        if number >= len(drawn):
            raise DataError(
                found=f"control {family}-{number}",
                expected=f"below {len(drawn)}",
                where=str(self.folder),
                remedy="extract again: the configuration asks for more controls than were drawn",
            )
        norms = drawn[number].double().norm(dim=-1)
        scale = torch.where(norms > 0, own.norms() / norms.clamp(min=1e-300), 0.0)
        return Directions((drawn[number].double() * scale[..., None]).float(), own.positions, own.layers)

    def unit(self, reference: DirectionReference) -> Tensor:
        """The direction [d_model] at unit norm, fp32.

        Raises:
            NumericsError: zero norm.
        """
        return self.directions(reference["contrast"], reference["control"]).unit(reference["position"], reference["layer"])

    def harmless(self, contrast: str) -> Moments:
        """Mean activations of the side that is subtracted, which ``clamp`` aims at: harmless prompts, or the base's texts."""
        own = self.candidates(contrast)
        mean = self._read(contrast, "means")[self.sound(contrast)["sides"][1]]
        return Moments(own.positions, own.layers, 0, mean, torch.zeros_like(mean))

    def mean_inputs(self, contrast: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Mean inputs of every writer on harmful and on harmless prompts, fp64 [d_in]."""
        stored = self._read(contrast, "inputs")
        harmful, harmless = (
            {name.removeprefix(f"{side}."): tensor for name, tensor in stored.items() if name.startswith(f"{side}.")}
            for side in ("harmful", "harmless")
        )
        return harmful, harmless


def vector_digest(vector: Tensor) -> str:
    """Digest of a direction's bits."""
    return hashlib.sha256(vector.to(torch.float32).contiguous().numpy().tobytes()).hexdigest()[:20]
