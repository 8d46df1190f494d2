"""Divergence of a head's distribution from the compact targets, and its gradient, without a second copy of the logits."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.interventions.heads.targets import LEAST

Kept = tuple[Int[Tensor, "row k"], Float[Tensor, "row k"], Float[Tensor, " row"]]
"""Ids, probabilities and the rest's mass (``Targets.padded``)."""


def coarse_divergence(logits: Float[Tensor, "row vocabulary"], kept: Kept) -> Float[Tensor, " row"]:
    """KL(target || softmax(logits)) in nats, with all tokens that are not kept taken as one outcome.

    Never more than the divergence of the whole distributions (data processing inequality), and equal to it where every token
    is kept.
    """
    return _divergence(logits.softmax(1), kept)[0]


def divergence_and_gradient(
    logits: Float[Tensor, "row vocabulary"], kept: Kept
) -> tuple[Float[Tensor, " row"], Float[Tensor, "row vocabulary"]]:
    """``coarse_divergence`` and its gradient in the logits, which are overwritten with it.

    With q the softmax, p the target and r the rest: q_v - p_v for a kept token, q_v (1 - p_r / q_r) for another.
    """
    chances = torch.softmax(logits, 1, out=logits)
    found, held, rest = _divergence(chances, kept)
    ids, mass, rest_mass = kept
    chances.mul_((1 - rest_mass / rest)[:, None])
    chances.scatter_add_(1, _own(ids), torch.where(ids >= 0, held - mass, 0.0))
    return found, chances


def full_divergence(target: Float[Tensor, "row vocabulary"], logits: Float[Tensor, "row vocabulary"]) -> Float[Tensor, " row"]:
    """KL(softmax(target) || softmax(logits)) in nats."""
    expected = target.float().log_softmax(1)
    return (expected.exp() * (expected - logits.float().log_softmax(1))).sum(1)


def _divergence(
    chances: Float[Tensor, "row vocabulary"], kept: Kept
) -> tuple[Float[Tensor, " row"], Float[Tensor, "row k"], Float[Tensor, " row"]]:
    """The divergence, the probabilities of kept tokens, and the mass of all others; kept tokens are 0 in ``chances`` afterwards.

    A rest that is small beside 1 loses its digits in 1 - sum, so it is added up from the tokens that are not kept.
    """
    ids, mass, rest_mass = kept
    own = _own(ids)
    held = chances.gather(1, own)
    chances.scatter_(1, own, 0.0)
    rest = chances.sum(1).clamp(min=LEAST)
    tokens = torch.where(mass > 0, mass * (mass.clamp(min=LEAST).log() - held.clamp(min=LEAST).log()), 0.0).sum(1)
    others = torch.where(rest_mass > LEAST, rest_mass * (rest_mass.clamp(min=LEAST).log() - rest.log()), 0.0)
    return tokens + others, held, rest


def _own(ids: Int[Tensor, "row k"]) -> Int[Tensor, "row k"]:
    """Ids whose padding repeats the row's first token."""
    return torch.where(ids >= 0, ids, ids[:, :1])
