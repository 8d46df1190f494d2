"""Moments of the residual stream over a prompt set, in one pass and without keeping any prompt's activations."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.errors import DataError, NumericsError
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import reading
from anatomy.models.loading import LoadedModel


@dataclass(frozen=True)
class Moments:
    """Sums over a prompt set, accumulated in fp64.

    Attributes:
        positions: counted from the end of the rendered prompt, -1 last.
        layers: layer l is the input of block l; L is the output of the last block.
        count: number of prompts.
        mean: mean activation.
        variance: population variance of each coordinate.
        weighted: sum over prompts of weight times activation, one row a weight column (see ``mean_activations``).
    """

    positions: tuple[int, ...]
    layers: tuple[int, ...]
    count: int
    mean: Float64[Tensor, "position layer d_model"]
    variance: Float64[Tensor, "position layer d_model"]
    weighted: Float64[Tensor, "weight position layer d_model"] | None = None


@torch.no_grad()
def mean_activations(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    positions: Sequence[int],
    *,
    token_budget: int,
    layers: Sequence[int] | None = None,
    weights: Float[Tensor, "prompt weight"] | None = None,
    ids: Sequence[str] | None = None,
    also: Callable[[PromptBatch], AbstractContextManager[None]] | None = None,
) -> Moments:
    """Mean and variance of block inputs at given positions and layers.

    Activations are reduced inside the hooks, the output head never runs, and blocks above the highest layer are not
    computed; memory does not grow with the number of prompts.

    Args:
        loaded: the model.
        token_ids: rendered prompts.
        positions: positions to read, negative.
        token_budget: most tokens a batch, padding counted.
        layers: layers to read; all block inputs 0..L-1 where not given.
        weights: for each weight column the weighted sum of activations is kept too; random relabellings and draws use it.
        ids: names of the prompts for messages.
        also: entered around each batch's pass, to read something else in it (``WriterInputs.reading``); every block then runs.

    Raises:
        DataError: no prompts, or a prompt shorter than the positions reach.
        NumericsError: NaN or infinity at a layer for a prompt, both named.
    """
    layers = tuple(range(loaded.num_layers)) if layers is None else tuple(layers)
    check_prompts(token_ids, positions, ids)
    sums = _Sums(loaded, tuple(positions), layers, weights, ids)
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        beside = nullcontext() if also is None else also(batch)
        with beside, reading(loaded.model, layers, partial(sums.add, batch), stop=also is None):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return sums.moments(len(token_ids))


def check_prompts(token_ids: Sequence[Sequence[int]], positions: Sequence[int], ids: Sequence[str] | None) -> None:
    """Refuse an empty set and prompts too short to hold every position (``DataError``)."""
    if not token_ids:
        raise DataError(found="no prompts", expected="at least one", where="activations")
    if not positions or max(positions) >= 0:
        raise DataError(found=f"positions {list(positions)}", expected="negative positions", where="activations")
    for row, ids_of_row in enumerate(token_ids):
        if len(ids_of_row) < -min(positions):
            raise DataError(
                found=f"{len(ids_of_row)} tokens",
                expected=f"at least {-min(positions)}, to reach every position",
                where=f"prompt {ids[row] if ids else row}",
                remedy="check that all prompts have the same rendering",
            )


def gather(x: Float[Tensor, "row column d_model"], batch: PromptBatch, positions: Sequence[int]) -> Tensor:
    """Activations [row, position, d_model] in fp64 at positions counted from each row's end."""
    columns = batch.columns(positions)
    return x[torch.arange(x.shape[0], device=x.device)[:, None], columns].double()


def check_finite(x: Float[Tensor, " row *rest"], batch: PromptBatch, where: str, ids: Sequence[str] | None) -> None:
    """Refuse NaN and infinity, naming place and prompt (``NumericsError``)."""
    bad = ~torch.isfinite(x).flatten(1).all(1)
    if bad.any():
        row = batch.rows[int(bad.nonzero()[0])]
        raise NumericsError(
            found="NaN or infinity",
            expected="finite activations",
            where=f"{where}, prompt {ids[row] if ids else row}",
            remedy="try float32 or check the checkpoint",
        )


class _Sums:
    """Running fp64 sums, one slot a position and layer."""

    def __init__(
        self,
        loaded: LoadedModel,
        positions: tuple[int, ...],
        layers: tuple[int, ...],
        weights: Tensor | None,
        ids: Sequence[str] | None,
    ) -> None:
        self.positions, self.layers, self.ids = positions, layers, ids
        self.slot = {layer: index for index, layer in enumerate(layers)}
        place = {"dtype": torch.float64, "device": loaded.device}
        shape = (len(positions), len(layers), loaded.d_model)
        self.total, self.squares = torch.zeros(shape, **place), torch.zeros(shape, **place)
        self.weights = None if weights is None else weights.to(**place)
        self.weighted = None if weights is None else torch.zeros(weights.shape[1], *shape, **place)

    def add(self, batch: PromptBatch, layer: int, activations: Tensor) -> None:
        x = gather(activations, batch, self.positions)
        check_finite(x, batch, f"layer {layer}", self.ids)
        slot = self.slot[layer]
        self.total[:, slot] += x.sum(0)
        self.squares[:, slot] += x.square().sum(0)
        if self.weights is not None and self.weighted is not None:
            rows = self.weights[list(batch.rows)]
            self.weighted[:, :, slot] += torch.einsum("rw,rpd->wpd", rows, x)

    def moments(self, count: int) -> Moments:
        mean = self.total / count
        return Moments(
            positions=self.positions,
            layers=self.layers,
            count=count,
            mean=mean.cpu(),
            variance=(self.squares / count - mean.square()).clamp(min=0.0).cpu(),
            weighted=None if self.weighted is None else self.weighted.cpu(),
        )
