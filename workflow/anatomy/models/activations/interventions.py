"""Interventions on activations as data: ablate, clamp or add along directions, by layer, site and position."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.errors import EditError
from anatomy.models.activations.hooks import modifying
from anatomy.models.sites import Positions, StreamSite


@dataclass(frozen=True, eq=False)
class Intervention:
    """A change of the residual stream ``x`` in the span of orthonormal rows ``V``.

    ``ablate``: x + c (0 - x V^T) V.  ``clamp``: x + c (t - x V^T) V.  ``add``: x + c v, with v of any length.
    (Ablation and addition: Arditi et al. 2024, section 2.4; clamping to a mean is ours, for features whose benign value
    is not zero.)

    Attributes:
        kind: which of the three.
        layers: 0-based blocks, in the order of ``vectors``.
        vectors: V for each layer (k = 1 and unnormalised for ``add``).
        targets: t for each layer (``clamp`` only).
        scale: c.
        sites: where in each block.
        positions: ``all`` tokens, the ``last_prompt`` token, or ``generated`` tokens only.
    """

    kind: Literal["ablate", "clamp", "add"]
    layers: tuple[int, ...]
    vectors: Float[Tensor, "layer k d_model"]
    targets: Float[Tensor, "layer k"] | None
    scale: float
    sites: tuple[StreamSite, ...]
    positions: Positions

    def __post_init__(self) -> None:
        where = f"{self.kind} intervention on layers {list(self.layers)}"
        if len(self.layers) != self.vectors.shape[0] or (self.targets is None) == (self.kind == "clamp"):
            raise EditError(
                found=f"{self.vectors.shape[0]} vectors, targets: {self.targets is not None}",
                expected=f"vectors for {len(self.layers)} layers, and targets for a clamp only",
                where=where,
            )
        if not torch.isfinite(self.vectors).all():
            raise EditError(found="NaN or infinity in the vectors", expected="finite numbers", where=where)
        if self.kind != "add":
            gram = self.vectors.double() @ self.vectors.double().transpose(1, 2)
            error = (gram - torch.eye(gram.shape[-1]).to(gram)).abs().max().item()
            if error > 1e-4:
                raise EditError(
                    found=f"vectors off orthonormal by {error:.2g}",
                    expected="orthonormal rows in each layer",
                    where=where,
                    remedy="normalise the direction",
                )

    def change(self, index: int, activations: Float[Tensor, "*rest d_model"]) -> Float[Tensor, "*rest d_model"]:
        """What is added to the stream at ``layers[index]``; computed in fp32."""
        x = activations.float()
        basis = self.vectors[index].to(x)
        if self.kind == "add":
            return self.scale * basis[0].expand_as(x)
        target = 0.0 if self.targets is None else self.targets[index].to(x)
        return self.scale * ((target - x @ basis.T) @ basis)


@contextmanager
def intervening(model: nn.Module, interventions: Sequence[Intervention], prompt_width: int | None = None) -> Iterator[None]:
    """Run the model under interventions, applied in order.

    Args:
        model: a causal language model; rows of a batch are padded on the left.
        interventions: what to do.
        prompt_width: in forward passes over prompt and answer together, the number of columns that belong to the
            prompt. Without it, a pass with an empty cache is the prompt and later passes are generated tokens.
    """
    phase = _Phase(prompt_width)
    # The base model sees the cache of every pass before any block does.
    handle = model.base_model.register_forward_pre_hook(phase.observe, with_kwargs=True)
    changes: dict[tuple[StreamSite, int], list[Callable[[Tensor], Tensor]]] = {}
    for intervention in interventions:
        for index, layer in enumerate(intervention.layers):
            for site in intervention.sites:
                changes.setdefault((site, layer), []).append(_placed(intervention, index, phase))
    try:
        with modifying(model, {place: _chained(parts) for place, parts in changes.items()}):
            yield
    finally:
        handle.remove()


class _Phase:
    """Which columns of the current pass are prompt and which are generated."""

    def __init__(self, prompt_width: int | None) -> None:
        self.prompt_width = prompt_width
        self.prefill = True

    def observe(self, _module: nn.Module, _args: tuple, kwargs: dict) -> None:
        cache = kwargs.get("past_key_values")
        self.prefill = cache is None or cache.get_seq_length() == 0

    def columns(self, positions: Positions, width: int) -> slice:
        prompt = (self.prompt_width or width) if self.prefill else 0
        if positions == "all":
            return slice(0, width)
        if positions == "generated":
            return slice(prompt, width)
        return slice(prompt - 1, prompt) if prompt else slice(0, 0)


def _placed(intervention: Intervention, index: int, phase: _Phase) -> Callable[[Tensor], Tensor]:
    def change(x: Tensor) -> Tensor:
        columns = phase.columns(intervention.positions, x.shape[1])
        if columns.start >= columns.stop:
            return x
        x = x.clone()
        x[:, columns] = (x[:, columns].float() + intervention.change(index, x[:, columns])).to(x.dtype)
        return x

    return change


def _chained(changes: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    def change(x: Tensor) -> Tensor:
        for part in changes:
            x = part(x)
        return x

    return change
