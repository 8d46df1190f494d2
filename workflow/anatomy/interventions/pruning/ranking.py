"""The highest scores, of each matrix, each output row or all matrices, from which masks of any smaller fraction are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from anatomy.errors import ConfigError
from anatomy.interventions.pruning.rankings import Ranking

Mask = dict[str, Int64[Tensor, " _"]]
"""Places of weights in storage order, ascending, by the name of their matrix; every matrix is named."""

TOGETHER = "all matrices together"
"""What ``lacking`` calls them."""

ScoreOf = Callable[[str], Float32[Tensor, "rows columns"]]
"""The scores of a matrix, made when they are asked for: those of all matrices are never in memory together."""


@dataclass(frozen=True)
class TopScores:
    """Places of the highest scores, best first but for ``global``.

    Attributes:
        ranking: among which weights.
        shapes: of every matrix.
        places: by matrix: for ``row`` one row of places for each output row, else a list. Places count in storage order; those of
            ``global`` ascend.
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

        Only weights with a score above 0 are among them. Of weights without one, as all of a matrix that no gradient reached are,
        the order would be that of their places; a matrix with fewer such weights gives fewer (``lacking``).

        Raises:
            ConfigError: a fraction above what was kept, or outside 0 to 1.
        """
        found = {}
        for name, asked in self._asked(fraction).items():
            found[name] = self.places[name][asked & (self.values[name] > 0)].sort().values
        return found

    def lacking(self, fraction: float) -> dict[str, int]:
        """How many weights of each matrix a mask of ``fraction`` has less than asked for: they have no score above 0.

        Matrices that lack none are left out. Under ``global`` no number is asked of single matrices: it is that of ``TOGETHER``.
        """
        several = {name: int((asked & ~(self.values[name] > 0)).sum()) for name, asked in self._asked(fraction).items()}
        several = {TOGETHER: sum(several.values())} if self.ranking == "global" else several
        return {name: count for name, count in several.items() if count}

    def _asked(self, fraction: float) -> dict[str, Bool[Tensor, ...]]:
        """Which of ``places`` a mask of ``fraction`` asks for, whatever their scores. Raises as ``top``."""
        require_fraction(fraction, "a mask's fraction")
        if fraction > self.most:
            raise ConfigError(
                found=f"fraction {fraction:g}",
                expected=f"at most {self.most:g}, up to which the highest scores were kept",
                where="a mask",
                remedy="ask for the largest fraction when the scores are made",
            )
        found = {}
        total = sum(rows * columns for rows, columns in self.shapes.values())
        for name, (rows, columns) in self.shapes.items():
            if self.ranking == "global":
                found[name] = self.ranks[name] < int(fraction * total)
            else:
                several = columns if self.ranking == "row" else rows * columns
                ranks = torch.arange(self.places[name].shape[-1])
                found[name] = (ranks < int(fraction * several)).expand(self.places[name].shape)
        return found

    def first(self, counts: Mapping[str, int], besides: Sequence[Mask], generator: torch.Generator) -> Mask:
        """So many weights of each matrix that no other mask has: the highest with a score above 0, then any, drawn at random.

        Under ``row`` the best of every row come first, then the second best. Where a matrix has too few weights that are free,
        those of other masks are drawn too, so that there are so many in any case.

        Args:
            generator: of the draws; a matrix whose scores suffice takes none.
        """
        found: Mask = {}
        for name, (rows, columns) in self.shapes.items():
            taken = torch.cat([other[name] for other in besides] or [torch.empty(0, dtype=torch.int64)])
            best = self._positive(name)
            best = best[~torch.isin(best, taken)][: counts[name]]
            if len(best) < counts[name]:
                order = torch.randperm(rows * columns, generator=generator)
                order = order[~torch.isin(order, best)]
                apart = ~torch.isin(order, taken)
                best = torch.cat([best, order[apart], order[~apart]])[: counts[name]]
            found[name] = best.sort().values
        return found

    def without_score(self, mask: Mask) -> dict[str, int]:
        """How many weights of a mask in each matrix are not among those kept with a score above 0; only where there are any."""
        several = {name: int((~torch.isin(own, self._positive(name))).sum()) for name, own in mask.items()}
        return {name: count for name, count in several.items() if count}

    def _positive(self, name: str) -> Int64[Tensor, " _"]:
        """Places of a matrix with a score above 0, best first."""
        places, values = (one.T.flatten() if one.ndim == 2 else one for one in (self.places[name], self.values[name]))
        if self.ranking == "global":
            order = self.ranks[name].argsort()
            places, values = places[order], values[order]
        return places[values > 0]


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
