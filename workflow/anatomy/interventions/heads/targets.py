"""What a head is distilled from: of each next-token distribution the likeliest tokens, and the mass of all others together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.errors import ConfigError

LEAST = 1e-12
"""Mass below which the tokens that are not kept count as having none: less than a float32 can tell from nothing beside 1."""


@dataclass(frozen=True)
class Targets:
    """Next-token distributions, compactly; token t's are the places ``starts[t]`` to ``starts[t + 1]`` of the flat tensors.

    Args:
        starts: first place of each target token, and the end of the last.
        tokens: ids of kept tokens, likeliest first.
        log_mass: log-probability of each of them, in float16 as stored.
        rest: probability of all tokens together that are not kept, of each target token.
    """

    starts: Int[Tensor, " edge"]
    tokens: Int[Tensor, " kept"]
    log_mass: Float[Tensor, " kept"]
    rest: Float[Tensor, " target"]

    def __len__(self) -> int:
        return len(self.rest)

    def padded(self, rows: Int[Tensor, " row"]) -> tuple[Int[Tensor, "row k"], Float[Tensor, "row k"], Float[Tensor, " row"]]:
        """Ids, probabilities and the rest's mass of some target tokens; places beyond a row's own have id -1 and probability 0.

        The probabilities add up to 1 with the rest: what rounding to float16 took is shared out in proportion.
        """
        first, counts = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        width = torch.arange(int(counts.max()) if len(rows) else 0)
        inside = width < counts[:, None]
        places = (first[:, None] + width).clamp(max=max(0, len(self.tokens) - 1))
        ids = torch.where(inside, self.tokens[places].long(), -1)
        mass = torch.where(inside, self.log_mass[places].float().exp(), 0.0)
        rest = self.rest[rows]
        return ids, mass * ((1 - rest) / mass.sum(1).clamp(min=LEAST))[:, None], rest


def keep(logits: Float[Tensor, "target vocabulary"], k: int, mass: float) -> Targets:
    """Keep of each distribution at most k tokens, and no more than it takes to hold a share of its probability.

    Args:
        logits: a model's, in any scale that softmax takes.
        k: most tokens that are kept (the paper keeps 500 of every distribution).
        mass: share of the probability that is enough; 1 keeps k of every distribution, as published.

    Raises:
        ConfigError: k is no number of tokens of this vocabulary.
    """
    require_k(k, logits.shape[1], "the model's vocabulary")
    log_mass, tokens = logits.float().log_softmax(1).topk(k, 1)
    before = log_mass.exp().cumsum(1).roll(1, 1)
    before[:, 0] = 0.0
    chosen = before < mass if mass < 1 else torch.ones_like(before, dtype=torch.bool)
    left_out = torch.ones_like(logits, dtype=torch.bool).scatter(1, tokens, ~chosen)
    rest = torch.where(left_out, logits.float().softmax(1), 0.0).sum(1)
    starts = torch.cat([torch.zeros(1, dtype=torch.long), chosen.sum(1).cumsum(0).cpu()])
    small = torch.int16 if logits.shape[1] <= torch.iinfo(torch.int16).max else torch.int32
    return Targets(starts, tokens[chosen].to(small).cpu(), log_mass[chosen].half().cpu(), rest.cpu())


def require_k(k: int, vocabulary: int, where: str) -> None:
    """Refuse (``ConfigError``) to keep more tokens than there are."""
    if not 1 <= k <= vocabulary:
        raise ConfigError(
            found=f"k = {k}",
            expected=f"1 to {vocabulary}, the tokens that the models know",
            where=where,
            remedy="keep fewer tokens of each distribution",
        )


def joined(parts: Sequence[Targets]) -> Targets:
    """Targets of several shards, in order."""
    ends = [0, *torch.tensor([len(part.tokens) for part in parts]).cumsum(0).tolist()]
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return Targets(
        torch.cat([*starts, torch.tensor(ends[-1:])]),
        torch.cat([part.tokens for part in parts]),
        torch.cat([part.log_mass for part in parts]),
        torch.cat([part.rest for part in parts]),
    )


def shuffled(targets: Targets, order: Int[Tensor, " target"]) -> Targets:
    """The same distributions in another order: what a head learns from them says nothing of its inputs."""
    counts = (targets.starts[1:] - targets.starts[:-1])[order]
    starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    places = torch.repeat_interleave(targets.starts[:-1][order] - starts[:-1], counts) + torch.arange(int(starts[-1]))
    return Targets(starts, targets.tokens[places], targets.log_mass[places], targets.rest[order])
