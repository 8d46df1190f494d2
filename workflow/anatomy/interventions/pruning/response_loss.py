"""The loss whose gradients score weights, and which masks raise: of the response's tokens alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn.functional import cross_entropy

from anatomy.models.activations.answers import Forced
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted


def response_loss(loaded: LoadedModel, text: Forced) -> Float32[Tensor, ""]:
    """Mean of ``-log p(token | what is before it)`` over the response's tokens alone, nats, in float32."""
    ids = torch.tensor([text.read], device=loaded.device)
    logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=len(text.answer)).logits[0]
    return cross_entropy(logits[-len(text.answer) :].float(), torch.tensor(text.answer, device=loaded.device))


@torch.no_grad()
def response_losses(loaded: LoadedModel, texts: Sequence[Forced]) -> Float32[Tensor, " text"]:
    """Loss of each response, as ``response_loss``."""
    return torch.stack([response_loss(loaded, text) for text in counted(texts, "answers read", len(texts))]).cpu()
