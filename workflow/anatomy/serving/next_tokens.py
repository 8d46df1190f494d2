"""The next token of each row of logits: the likeliest, or one that is drawn from its nucleus."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.errors import NumericsError
from anatomy.serving.decoding import Decoding

LIKELIEST = 1024
"""Tokens that nearly every nucleus lies within: a vocabulary of 262,144 takes 25 times as long to sort."""


def next_tokens(
    logits: Float[Tensor, "prompt vocabulary"], decoding: Decoding, generators: Sequence[torch.Generator | None]
) -> Int[Tensor, " prompt"]:
    """Greedy choice, or a sample of the nucleus of mass ``top_p``, each row from its own generator on the CPU.

    Raises:
        NumericsError: a row is not finite.
    """
    finite = torch.isfinite(logits).all(dim=-1)
    if not finite.all():
        row = int((~finite).nonzero()[0])
        raise NumericsError(
            found="NaN or infinite logits",
            expected="finite logits",
            where=f"prompt {row} of the batch",
            remedy="the edit's strength or the dtype may overflow; try float32 or a smaller strength",
        )
    if decoding.greedy:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits.double() / decoding.temperature, dim=-1).cpu()
    draws = [torch.rand(1, dtype=torch.float64, generator=generator) for generator in generators]
    ordered, ids = probabilities.topk(min(LIKELIEST, probabilities.shape[-1]), dim=-1)
    rows = zip(probabilities, ordered, ids, draws, strict=True)
    return torch.stack([drawn(*nucleus(all_, some, names, decoding.top_p), draw) for all_, some, names, draw in rows])


def nucleus(
    probabilities: Float[Tensor, " vocabulary"], likeliest: Float[Tensor, " some"], ids: Int[Tensor, " some"], top_p: float
) -> tuple[Float[Tensor, " kept"], Int[Tensor, " kept"]]:
    """Probabilities and ids of every token that starts below mass ``top_p``, likeliest first: at least the likeliest.

    Args:
        likeliest, ids: the likeliest tokens in order: all are sorted only where these do not hold the mass.
    """
    if float(likeliest.sum()) < top_p and len(likeliest) < len(probabilities):
        likeliest, ids = probabilities.sort(descending=True)
    below = likeliest.cumsum(0) - likeliest < top_p
    return likeliest[below], ids[below]


def drawn(mass: Float[Tensor, " kept"], ids: Int[Tensor, " kept"], draw: Float[Tensor, " 1"]) -> Int[Tensor, ""]:
    """The token in whose share of the mass a uniform draw falls, of however many tokens the mass was kept."""
    reached = mass.cumsum(0)
    return ids[int(torch.searchsorted(reached, draw * reached[-1], right=True).clamp(max=len(ids) - 1))]
