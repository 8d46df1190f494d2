"""Interventions of every kind, at every site and position, for tests that compare two ways to run them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from greedy import difference, margins

from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening

KINDS = ("ablate", "clamp", "add")
POSITIONS = ("all", "last_prompt", "generated")


def orthonormal(d_model: int, rank: int, seed: int) -> torch.Tensor:
    """Random orthonormal rows [rank, d_model]."""
    drawn = torch.randn(d_model, rank, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn).Q.T.contiguous()


def intervention(
    kind: str,
    d_model: int,
    layers: tuple[int, ...],
    *,
    rank: int = 1,
    sites: tuple[str, ...] = SITES,
    positions: str = "all",
    scale: float = 1.0,
    seed: int = 0,
) -> Intervention:
    """One intervention along random directions; additions are long enough to show in a model with a large stream."""
    vectors = orthonormal(d_model, rank, seed).expand(len(layers), -1, -1) * (8.0 if kind == "add" else 1.0)
    targets = torch.full((len(layers), rank), 2.5) if kind == "clamp" else None
    return Intervention(kind, layers, vectors, targets, scale, sites, positions)


def states(d_model: int, num_layers: int) -> Iterator[tuple[Intervention, ...]]:
    """Every kind x site x position, ranks of one and two, and a chain of three kinds at one place."""
    every = tuple(range(num_layers))
    for number, kind in enumerate(KINDS):
        rank = 1 if kind == "add" else 2
        for place, positions in enumerate(POSITIONS):
            seed = 10 * number + place
            yield (intervention(kind, d_model, every, rank=rank, positions=positions, seed=seed),)
            yield (intervention(kind, d_model, (1,), sites=(SITES[place],), scale=1.5, seed=seed + 100),)
    yield (
        intervention("ablate", d_model, every, seed=1),
        intervention("add", d_model, every[1:], positions="generated", seed=2),
        intervention("clamp", d_model, (1,), rank=2, positions="last_prompt", seed=3),
    )


def hooked_margins(loaded: Any, request: Any, written: list[int]) -> list[float]:
    """How far the best logit is above the second's where each token of a greedy completion was chosen."""
    asked, width = request.interventions, len(request.token_ids)
    with intervening(loaded.model, asked, prompt_width=width) if asked else nullcontext():
        return margins(loaded, request.token_ids, written)


def tie(loaded: Any, request: Any, found: list[int], expected: list[int]) -> bool:
    """Whether two greedy completions are equal, or part where the model under the request's interventions had a tie."""
    return found == expected or difference(found, expected, hooked_margins(loaded, request, expected)) is None
