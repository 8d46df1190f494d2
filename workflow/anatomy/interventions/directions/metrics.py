"""Refusal metric and Kullback-Leibler divergence of next-token distributions, in fp64 from raw logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.errors import DataError


@dataclass(frozen=True)
class RefusalMetric:
    """``refusal_metric`` with its tokens and epsilon fixed; answers on the CPU. Raises ``DataError`` without tokens."""

    refusal_tokens: tuple[int, ...]
    epsilon: float

    def __post_init__(self) -> None:
        if not self.refusal_tokens:
            raise DataError(
                found="no refusal tokens",
                expected="at least one",
                where="direction scores",
                remedy="give the model's refusal tokens, or record its directions as not testable",
            )

    def __call__(self, logits: Float[Tensor, "row vocabulary"]) -> Float64[Tensor, " row"]:
        return refusal_metric(logits, self.refusal_tokens, self.epsilon).cpu()


def refusal_metric(
    logits: Float[Tensor, "*rest vocabulary"], refusal_tokens: Sequence[int], epsilon: float
) -> Float64[Tensor, "*rest"]:
    """``log(p_R + e) - log(1 - p_R + e)`` with p_R the probability of the refusal tokens: above 0 leans to refusing.

    Source: Arditi et al. 2024, section 2.3 and appendix B (``e = 1e-8`` in their code; 0 is exact by log-sum-exp).
    """
    logits = logits.double()
    chosen = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    chosen[list(refusal_tokens)] = True
    inside = logits.masked_fill(~chosen, -torch.inf).logsumexp(-1)
    outside = logits.masked_fill(chosen, -torch.inf).logsumexp(-1)
    if epsilon == 0.0:
        return inside - outside
    return torch.log(torch.sigmoid(inside - outside) + epsilon) - torch.log(torch.sigmoid(outside - inside) + epsilon)


def kl_divergence(
    original: Float[Tensor, "*rest vocabulary"], edited: Float[Tensor, "*rest vocabulary"]
) -> Float64[Tensor, "*rest"]:
    """``KL(original || edited)`` of the two softmax distributions, in nats."""
    p, q = original.double().log_softmax(-1), edited.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)
