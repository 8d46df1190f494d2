"""Heads over some tokens of a large vocabulary: all others are one outcome, whose mass the base alone decides.

A departure from the paper, for vocabularies whose square, or whose head six times over, no memory holds. Nothing is approximated
beside it: with D zero for every other token, their logits are the base's, and what the loss needs of them is one number a token
of the text, the log of their summed exponentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from anatomy.interventions.heads.head_model import FullHead, LowRankHead
from anatomy.interventions.heads.targets import LEAST, Targets
from anatomy.progress.counting import counted

ROWS = 128
"""Tokens of the text whose logits over the whole vocabulary are in memory at once."""


@dataclass(frozen=True)
class Union:
    """Tokens that a head may change, and what the base makes of the others on a text.

    Attributes:
        tokens: their ids, ascending.
        others: of each token of the text, the log of the summed exponentials of all other tokens' logits.
        vocabulary: how many tokens there are.
        lost: mean probability under the aligned model of the tokens left out.
    """

    tokens: Int[Tensor, " member"]
    others: Float32[Tensor, " text"]
    vocabulary: int
    lost: float


def likeliest(
    features: Float[Tensor, "text d_model"], weight: Float32[Tensor, "vocabulary d_model"], targets: Targets, most: int, k: int
) -> Union:
    """The tokens that are likeliest on a text, under the aligned model or under the base, their chances added up.

    Args:
        features: final states of the base; ``weight`` is its head.
        targets: of the aligned model.
        most: how many tokens.
        k: tokens of each of the base's distributions that count.
    """
    vocabulary = len(weight)
    kept = _mass(targets)
    wanted = torch.zeros(vocabulary).index_add_(0, targets.tokens.long(), kept)
    for _rows, logits in _logits(features, weight):
        chances, places = logits.log_softmax(1).topk(min(k, vocabulary), 1)
        wanted.index_add_(0, places.reshape(-1), chances.exp().reshape(-1))
    tokens = wanted.topk(min(most, vocabulary)).indices.sort().values
    left = torch.ones(vocabulary, dtype=torch.bool)
    left[tokens] = False
    others = torch.empty(len(features))
    for rows, logits in _logits(features, weight):
        logits[:, tokens] = -torch.inf
        others[rows] = logits.logsumexp(1).clamp(min=-1e4)
    lost = float(kept[left[targets.tokens.long()]].sum() / max(1, len(targets)))
    return Union(tokens, others, vocabulary, lost)


def said_of(union: Union) -> str:
    """What heads over a union leave out, in words."""
    return (
        f"heads change {len(union.tokens):,} of {union.vocabulary:,} tokens (not as in the paper); the others have "
        f"{union.lost:.2g} of the aligned model's probability"
    )


def within(targets: Targets, union: Union) -> Targets:
    """Targets by place in the union; what is kept of other tokens goes to the rest."""
    place = torch.full((union.vocabulary,), -1, dtype=torch.long)
    place[union.tokens] = torch.arange(len(union.tokens))
    places, mass = place[targets.tokens.long()], _mass(targets)
    inside = places >= 0
    owner = torch.repeat_interleave(torch.arange(len(targets)), targets.starts[1:] - targets.starts[:-1])
    counts = torch.zeros(len(targets), dtype=torch.long).index_add_(0, owner, inside.long())
    rest = targets.rest.double().index_add(0, owner, torch.where(inside, 0.0, mass).double()).clamp(max=1).to(targets.rest)
    starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    return Targets(starts, places[inside], targets.log_mass[inside], rest)


@dataclass(frozen=True)
class UnionInputs:
    """States of some tokens of a text, with the others' logit as the last feature."""

    features: Float[Tensor, "text d_model"]
    union: Union

    def __getitem__(self, rows: Int[Tensor, " row"], /) -> Float[Tensor, "row feature"]:
        return torch.cat([self.features[rows].float(), self.union.others[rows, None]], 1)


@dataclass(frozen=True)
class UnionTopLogits:
    """The base's k largest logits of the whole vocabulary, of those the union's, with the others' logit as the last feature.

    Attributes:
        own: the base's head, of the union's tokens.
        places, values: of each token of the text its k largest logits, by place in the union; the place behind it for others.
    """

    features: Float[Tensor, "text d_model"]
    own: Float32[Tensor, "member d_model"]
    union: Union
    places: Int[Tensor, "text k"]
    values: Float32[Tensor, "text k"]

    @classmethod
    def of(
        cls, features: Float[Tensor, "text d_model"], weight: Float32[Tensor, "vocabulary d_model"], union: Union, k: int
    ) -> UnionTopLogits:
        """Computed once for all steps, from the base's whole head."""
        place = torch.full((union.vocabulary,), len(union.tokens), dtype=torch.int32)
        place[union.tokens] = torch.arange(len(union.tokens), dtype=torch.int32)
        found = [logits.topk(k, 1) for _rows, logits in _logits(features, weight)]
        places = torch.cat([place[one.indices] for one in found])
        return cls(features, weight[union.tokens], union, places, torch.cat([one.values for one in found]))

    def logits(self, rows: Int[Tensor, " row"]) -> Float[Tensor, "row outcome"]:
        """Logits of the union's tokens, and 0 for the others' outcome, which is an input already."""
        return union_logits(self.features, self.own, rows)

    def __getitem__(self, rows: Int[Tensor, " row"], /) -> Float[Tensor, "row feature"]:
        found = torch.zeros(len(rows), len(self.union.tokens) + 1).scatter_(1, self.places[rows].long(), self.values[rows])
        found[:, -1] = self.union.others[rows]
        return found


@dataclass(frozen=True)
class UnionHead:
    """A head over the union's tokens, with the others as one more outcome whose logit is the last input."""

    inner: FullHead | LowRankHead

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What the optimizer changes."""
        return self.inner.parameters

    def logits(self, x: Float32[Tensor, "row feature"]) -> Float32[Tensor, "row outcome"]:
        """Logits of the union's tokens, and of the others together."""
        return torch.cat([self.inner.logits(x[:, :-1]), x[:, -1:]], 1)

    def backward(self, x: Float32[Tensor, "row feature"], gradient: Float32[Tensor, "row outcome"]) -> None:
        """Set gradients of the parameters from the loss's gradient in the logits."""
        self.inner.backward(x[:, :-1], gradient[:, :-1])


def union_logits(
    features: Float[Tensor, "text d_model"], own: Float32[Tensor, "member d_model"], rows: Int[Tensor, " row"]
) -> Float32[Tensor, "row outcome"]:
    """The base's logits of the union's tokens, ``own`` its head's rows for them, and 0 for the others' outcome."""
    logits = features[rows].float() @ own.T
    return torch.cat([logits, torch.zeros(len(logits), 1)], 1)


def _mass(targets: Targets) -> Float[Tensor, " kept"]:
    """Probabilities of kept tokens, which add up to 1 with the rest (as ``Targets.padded`` shares out what rounding took)."""
    owner = torch.repeat_interleave(torch.arange(len(targets)), targets.starts[1:] - targets.starts[:-1])
    raw = targets.log_mass.float().exp()
    total = torch.zeros(len(targets)).index_add_(0, owner, raw)
    return raw * ((1 - targets.rest) / total.clamp(min=LEAST))[owner]


def _logits(
    features: Float[Tensor, "text d_model"], weight: Float32[Tensor, "vocabulary d_model"]
) -> Iterator[tuple[slice, Float32[Tensor, "row vocabulary"]]]:
    starts = range(0, len(features), ROWS)
    for start in counted(starts, "parts of the text read over the whole vocabulary", len(starts)):
        place = slice(start, start + ROWS)
        yield place, features[place].float() @ weight.T
