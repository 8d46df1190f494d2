"""The highest scores, of each matrix, each output row or all matrices, from which masks of any smaller fraction are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anatomy.errors import ConfigError
from anatomy.interventions.pruning.rankings import Ranking

Mask = dict[str, Int64[Tensor, " _"]]
"""Places of weights in storage order, ascending, by the name of their matrix; every matrix is named."""

ScoreOf = Callable[[str], Float32[Tensor, "rows columns"]]
"""The scores of a matrix, made when they are asked for: those of all matrices are never in memory together."""


@dataclass(frozen=True)
class TopScores:
    """Places of the highest scores, best first.

    Attributes:
        ranking: among which weights.
        shapes: of every matrix.
        places: by matrix: for ``row`` one row of places for each output row, else a list. Places count in storage order.
        values: their scores.
        ranks: for ``global``, each one's place among the highest of all matrices; else empty.
        most: fraction up to which masks can be cut.
    """

    ranking: Ranking
    shapes: dict[str, tuple[int, int]]
    places: dict[str, Tensor]
    values: dict[str, Tensor]
    ranks: dict[str, Tensor]
    most: float

    def top(self, fraction: float) -> Mask:
        """The highest ``int(fraction * size)`` weights, of each matrix, of each row, or of all (as in the released code).

        Raises:
            ConfigError: a fraction above what was kept, or outside 0 to 1.
        """
        require_fraction(fraction, "a mask's fraction")
        if fraction > self.most:
            raise ConfigError(
                found=f"fraction {fraction:g}",
                expected=f"at most {self.most:g}, up to which the highest scores were kept",
                where="a mask",
                remedy="ask for the largest fraction when the scores are made",
            )
        found: Mask = {}
        for name, (rows, columns) in self.shapes.items():
            places = self.places[name]
            if self.ranking == "global":
                total = sum(r * c for r, c in self.shapes.values())
                chosen = places[self.ranks[name] < int(fraction * total)]
            elif self.ranking == "row":
                chosen = places[:, : int(fraction * columns)].flatten()
            else:
                chosen = places[: int(fraction * rows * columns)]
            found[name] = chosen.sort().values
        return found

    def first(self, counts: Mapping[str, int], besides: Sequence[Mask] = ()) -> Mask:
        """The highest so many weights of each matrix that no other mask has; at most as many as were kept.

        Under ``row`` the best of every row come first, then the second best.
        """
        found: Mask = {}
        for name, places in self.places.items():
            free = (places.T if places.ndim == 2 else places).flatten()
            for other in besides:
                free = free[~torch.isin(free, other[name])]
            found[name] = free[: counts[name]].sort().values
        return found


def require_fraction(fraction: float, where: str) -> None:
    """Refuse (``ConfigError``) what is no fraction."""
    if not 0 <= fraction <= 1:
        raise ConfigError(
            found=f"{fraction:g}",
            expected="a fraction from 0 to 1",
            where=where,
            remedy="a percentage is divided by 100: 1e-5 is 0.001 %",
        )


def top_scores(scores: ScoreOf, shapes: Mapping[str, tuple[int, int]], most: float, ranking: Ranking) -> TopScores:
    """The highest scores up to a fraction. Of equal ones the first matrix' and the first place's count as higher.

    Args:
        scores: called once for each matrix, and twice for ``global``: first for the lowest score that is kept, then for places.

    Raises:
        ConfigError: ``most`` is no fraction.
    """
    require_fraction(most, "the largest fraction of a mask")
    places: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    ranks: dict[str, Tensor] = {}
    if ranking == "global":
        places, values, ranks = _global(scores, shapes, most)
    else:
        for name, (rows, columns) in shapes.items():
            score = scores(name)
            if ranking == "matrix":
                values[name], places[name] = _highest(score.flatten(), int(most * rows * columns))
            else:
                order = score.argsort(dim=1, descending=True, stable=True)[:, : int(most * columns)]
                values[name] = score.gather(1, order).cpu()
                places[name] = (order + torch.arange(rows, device=order.device)[:, None] * columns).cpu()
    return TopScores(ranking, dict(shapes), places, values, ranks, most)


def _highest(scores: Float32[Tensor, " place"], count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` highest scores with their places, best first; of equal ones the first."""
    if not count:
        return scores.new_empty(0).cpu(), torch.empty(0, dtype=torch.int64)
    least = torch.topk(scores, count, sorted=False).values.min()
    above = (scores > least).nonzero()[:, 0]
    equal = (scores == least).nonzero()[: count - len(above), 0]
    chosen = torch.cat([above, equal]).sort().values
    order = scores[chosen].argsort(descending=True, stable=True)
    return scores[chosen][order].cpu(), chosen[order].cpu()


def _global(
    scores: ScoreOf, shapes: Mapping[str, tuple[int, int]], most: float
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Two passes over the matrices; between them only ``count`` values are kept."""
    count = int(most * sum(rows * columns for rows, columns in shapes.values()))
    running = torch.empty(0)
    for name in shapes:
        score = scores(name).flatten()
        highest = torch.topk(score, min(count, len(score)), sorted=False).values.cpu()
        running = torch.cat([running, highest])
        running = torch.topk(running, min(count, len(running)), sorted=False).values
    least = running.min() if count else torch.tensor(float("inf"))
    left = count - int((running > least).sum())
    places: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    for name in shapes:
        score = scores(name).flatten()
        chosen = (score > least).nonzero()[:, 0].cpu()
        equal = (score == least).nonzero()[:left, 0].cpu() if count else chosen[:0]
        left -= len(equal)
        chosen = torch.cat([chosen, equal]).sort().values
        places[name], values[name] = chosen, score[chosen.to(score.device)].cpu()
    order = torch.cat([values[name] for name in shapes]).argsort(descending=True, stable=True)
    ranked = torch.empty_like(order)
    ranked[order] = torch.arange(len(order))
    return places, values, dict(zip(shapes, ranked.split([len(values[name]) for name in shapes]), strict=True))


def named_tensors(top: TopScores) -> Iterator[tuple[str, Tensor]]:
    """Everything of ``top`` that is a tensor, under names for a file."""
    for name in top.shapes:
        yield f"places.{name}", top.places[name].to(torch.int64).contiguous()
        yield f"values.{name}", top.values[name].float().contiguous()
        if top.ranks:
            yield f"ranks.{name}", top.ranks[name].contiguous()


def from_tensors(tensors: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], ranking: Ranking, most: float) -> TopScores:
    """What ``named_tensors`` gave names to."""
    sizes = {name: (int(rows), int(columns)) for name, (rows, columns) in shapes.items()}
    parts = {kind: {name: tensors[f"{kind}.{name}"] for name in sizes} for kind in ("places", "values")}
    ranks = {name: tensors[f"ranks.{name}"] for name in sizes if f"ranks.{name}" in tensors}
    return TopScores(ranking, sizes, parts["places"], parts["values"], ranks, most)
