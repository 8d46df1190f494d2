"""Changes of the same size and rank as the one that was found, in directions that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from anatomy.audit.directions import unit_rows
from anatomy.audit.kinds import ALONG, LOW, Found, Kind

Change = Callable[[Tensor], Tensor]


def control_changes(changed: Sequence[Found], shared: float, seed: int) -> dict[str, Change]:
    """A control for every changed tensor, by its name: applied in memory, it leaves as much behind as the audited change did.

    A change of low rank keeps its singular values and what it reads; what it writes is drawn at random, one direction for all
    writers where they share one, and quantisation beside it becomes noise. A mask zeroes as many places elsewhere. Any other
    change becomes independent normal noise of its norm.

    Args:
        changed: tensors that differ, with the factors of low-rank ones (``audit_weights``).
        shared: mean |cosine| of what writers write (``WeightsAudit.shared``).
        seed: of this control.
    """
    generator = torch.Generator().manual_seed(seed)
    axis: Tensor | None = None
    found: dict[str, Change] = {}
    for one in changed:
        spread, drawn = one.spectrum, int(torch.randint(2**62, (1,), generator=generator))
        if one.kind == Kind.MASK:
            found[one.pair.name] = _masked(round(one.difference.changed * one.difference.zeroed * _count(one)), drawn)
        elif spread is not None and one.kind in LOW:
            transposed = one.pair.transposed
            # The side that is drawn anew is that of the stream, so that the shared axis fits every writer.
            kept, width = (spread.left.T, spread.right.shape[1]) if transposed else (spread.right, spread.left.shape[0])
            other = unit_rows(spread.rank, width, drawn)
            if one.writes and spread.rank == 1 and shared >= ALONG:
                axis = other if axis is None else axis
                other = axis
            change = other.T @ (spread.values[: spread.rank, None].float() * kept[: spread.rank])
            rest = 0.0 if spread.exact else (max(0.0, 1 - spread.share(spread.rank)) * spread.norm**2) ** 0.5
            found[one.pair.name] = _added(change.T if transposed else change, rest, drawn)
        else:
            found[one.pair.name] = _noise(one.difference.norm, drawn)
    return found


def _count(one: Found) -> int:
    rows, columns = one.pair.shape
    return rows * columns


def _added(change: Tensor, rest: float, seed: int) -> Change:
    """A change of low rank, with noise of norm ``rest`` beside it."""
    noisy = _noise(rest, seed)

    def added(weight: Tensor) -> Tensor:
        new = noisy(weight) if rest else weight.float()
        return with_rows(new, new.view(-1, change.shape[1])[: len(change)] + change.to(weight.device))

    return added


def with_rows(weight: Tensor, rows: Tensor) -> Tensor:
    """A tensor with its first rows replaced: all of them, but where its vocabulary is longer than the other's."""
    if rows.numel() == weight.numel():
        return rows.view(weight.shape)
    new = weight.clone()
    new[: len(rows)] = rows.view(len(rows), *weight.shape[1:]).to(new)
    return new


def _masked(places: int, seed: int) -> Change:
    def masked(weight: Tensor) -> Tensor:
        chosen = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(seed))[:places]
        new = weight.clone().view(-1)
        new[chosen.to(weight.device)] = 0
        return new.view(weight.shape)

    return masked


def _noise(norm: float, seed: int) -> Change:
    def noisy(weight: Tensor) -> Tensor:
        drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        return weight.float() + (norm / drawn.norm() * drawn).to(weight.device)

    return noisy
