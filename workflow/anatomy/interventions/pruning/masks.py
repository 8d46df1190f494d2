"""Masks as sets of weights: differences, counts, controls, and the edit that sets the weights of one to zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.sparse import SparseEdit, sparse_edit
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.interventions.pruning.ranking import Mask
from anatomy.models.checkpoint import Checkpoint

Shapes = Mapping[str, tuple[int, int]]


def difference(prune: Mask, preserve: Sequence[Mask]) -> Mask:
    """Places of ``prune`` that are in none of ``preserve``: ``M = P \\ (K1 | K2 | ...)`` (arXiv 2604.09544)."""
    left = dict(prune)
    for kept in preserve:
        left = {name: places[~torch.isin(places, kept[name], assume_unique=True)] for name, places in left.items()}
    return left


def weights_in(mask: Mask) -> int:
    """How many weights a mask has."""
    return sum(map(len, mask.values()))


def pruning_edit(spec: MadeBy, intent: Intent, checkpoint: Checkpoint, mask: Mask) -> SparseEdit:
    """The edit that sets the weights of a mask to zero.

    Raises:
        EditError: a mask without weights, or one that empties a matrix; as ``sparse_edit``.
    """
    for name, places in mask.items():
        if len(places) == torch.Size(checkpoint.shape(f"{name}.weight")).numel():
            raise EditError(
                found=f"a mask of all {len(places)} weights of {name}",
                expected="a part of a matrix",
                where=f"mask {dict(spec)}",
                remedy="ask for a smaller fraction q: a matrix of zeros is no pruning but an ablation",
            )
    if not weights_in(mask):
        raise EditError(
            found="a mask without weights",
            expected="at least one weight to set to zero",
            where=f"mask {dict(spec)}",
            remedy="ask for a larger fraction q, or a smaller p: all may have been preserved, or no matrix has 1/q weights",
        )
    places = {name: (one, torch.zeros(len(one))) for name, one in mask.items()}
    return sparse_edit(spec, intent, checkpoint, places, tuple(mask))


def random_mask(mask: Mask, shapes: Shapes, generator: torch.Generator) -> Mask:
    """Random places, as many as a mask has in each matrix."""
    return {
        name: torch.randperm(shapes[name][0] * shapes[name][1], generator=generator)[: len(places)].sort().values
        for name, places in mask.items()
    }


def magnitude_matched(mask: Mask, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mask:
    """Other weights of each matrix, of nearly the magnitudes of those of a mask: neighbours in the order of magnitudes.

    Random places on average take smaller weights away than a mask of scores that are proportional to the weight. A mask of more
    than half of a matrix leaves too few others: the rest is drawn from itself, so that there are as many.
    """
    found: Mask = {}
    for name, places in mask.items():
        size = weights[name].detach().float().abs().flatten().cpu()
        order = size.argsort(stable=True)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order))
        taken = set(places.tolist())
        chosen: list[int] = []
        for place in places[torch.randperm(len(places), generator=generator)].tolist():
            for step in range(1, len(order)):
                sides = (step, -step) if int(torch.randint(2, (1,), generator=generator)) else (-step, step)
                near = [int(rank[place]) + side for side in sides]
                free = [int(order[at]) for at in near if 0 <= at < len(order) and int(order[at]) not in taken]
                if free:
                    taken.add(free[0])
                    chosen.append(free[0])
                    break
        if lacking := len(places) - len(chosen):
            chosen += places[torch.randperm(len(places), generator=generator)[:lacking]].tolist()
        found[name] = torch.tensor(sorted(chosen), dtype=torch.int64)
    return found
