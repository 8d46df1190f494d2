"""Interventions of many states stacked, so that two matrix products change every token of a batch by its own state.

Each of the three kinds is a sum over rows v of ``(a + b x.v) v``: ablation along v has (0, -c), a clamp to t (c t, -c), and
an addition (c, 0). A row acts only on tokens of the state that owns it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anatomy.models.activations.interventions import Intervention
from anatomy.models.sites import StreamSite
from anatomy.serving.hooks.batch import POSITIONS, EngineBatch, Layout

Place = tuple[StreamSite, int]


class StackedChange:
    """One step of the chains of changes at a place: at most one intervention a state.

    Args:
        vectors: the rows v.
        slopes: b of each row.
        offsets: a of each row.
        layout: whose rows they are.
    """

    def __init__(
        self, vectors: Float[Tensor, "row d_model"], slopes: Float[Tensor, " row"], offsets: Float[Tensor, " row"], layout: Layout
    ) -> None:
        self.vectors, self.sloped, self.offsets, self.layout = vectors, slopes[:, None] * vectors, offsets, layout

    def apply(self, stream: Float[Tensor, "token d_model"], batch: EngineBatch) -> Float[Tensor, "token d_model"] | None:
        """The stream after the change: computed in fp32, in the stream's dtype; None where no row acts in this pass."""
        acting = batch.acting(self.layout)
        if acting is None:
            return None
        vectors, sloped, offsets = self.vectors, self.sloped, self.offsets
        if acting.rows is not None:
            vectors, sloped, offsets = vectors[acting.rows], sloped[acting.rows], offsets[acting.rows]
        x = stream.float()
        shares = torch.addmm(offsets, x, sloped.T)
        if acting.idle is not None:
            shares.masked_fill_(acting.idle, 0.0)
        return torch.addmm(x, shares, vectors).to(stream.dtype)


class Chain:
    """All changes at one place, in order."""

    def __init__(self, steps: Sequence[StackedChange]) -> None:
        self.steps = steps

    def apply(self, stream: Float[Tensor, "token d_model"], batch: EngineBatch) -> Float[Tensor, "token d_model"] | None:
        """The stream after all changes; None where none acts in this pass."""
        found = None
        for step in self.steps:
            changed = step.apply(stream if found is None else found, batch)
            found = found if changed is None else changed
        return found

    def untouched(self, batch: EngineBatch) -> Bool[Tensor, "token 1"] | None:
        """Tokens that no step changes; None where every token is changed."""
        left = None
        for step in self.steps:
            acting = batch.acting(step.layout)
            if acting is not None and acting.untouched is None:
                return None
            if acting is not None:
                left = acting.untouched if left is None else left & acting.untouched
        return left


def stack(states: Sequence[Sequence[Intervention]], device: torch.device) -> dict[Place, Chain]:
    """The chain of every place that some state changes; state n of the list owns rows numbered n + 1."""
    asked: dict[Place, list[list[tuple[int, Intervention, int]]]] = {}
    for number, interventions in enumerate(states, start=1):
        filled: dict[Place, int] = {}
        for one in interventions:
            for index, layer in enumerate(one.layers):
                for site in one.sites:
                    place = (site, layer)
                    step = filled.get(place, 0)
                    filled[place] = step + 1
                    steps = asked.setdefault(place, [])
                    if step == len(steps):
                        steps.append([])
                    steps[step].append((number, one, index))
    layouts: dict[tuple[tuple[int, ...], tuple[int, ...]], Layout] = {}
    return {place: Chain([_stacked(step, layouts, device) for step in steps]) for place, steps in asked.items()}


def _stacked(step: Sequence[tuple[int, Intervention, int]], layouts: dict, device: torch.device) -> StackedChange:
    vectors, slopes, offsets, owners, positions = [], [], [], [], []
    for number, one, index in step:
        basis = one.vectors[index].float()
        basis = basis[:1] if one.kind == "add" else basis
        rank = len(basis)
        if one.kind == "add":
            offset = torch.ones(1)
        else:
            offset = torch.zeros(rank) if one.targets is None else one.targets[index].float().cpu()
        vectors.append(basis.to(device))
        slopes.append(torch.full((rank,), 0.0 if one.kind == "add" else -float(one.scale)))
        offsets.append(one.scale * offset)
        owners += [number] * rank
        positions += [POSITIONS.index(one.positions)] * rank
    named = (tuple(owners), tuple(positions))
    layout = layouts.setdefault(named, Layout(np.array(owners), np.array(positions)))
    return StackedChange(torch.cat(vectors), torch.cat(slopes).to(device), torch.cat(offsets).to(device), layout)
