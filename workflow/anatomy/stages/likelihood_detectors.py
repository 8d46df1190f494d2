"""Detectors by likelihood: how well models of another family predict a text. Stand-ins, simple enough to be read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.activations.batching import batches
from anatomy.models.loading import LoadedModel

FEWEST_TOKENS = 3
"""Shorter texts have too few predicted tokens to be scored."""


@torch.no_grad()
def mean_log_likelihoods(loaded: LoadedModel, texts: Sequence[str], token_budget: int) -> Float64[np.ndarray, " text"]:
    """Mean log-likelihood of a text's tokens after its first, in nats a token; NaN for texts of fewer than three tokens."""
    ids = [list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    long_enough = [place for place, one in enumerate(ids) if len(one) >= FEWEST_TOKENS]
    found = np.full(len(texts), np.nan)
    for batch in batches([ids[place] for place in long_enough], token_budget, loaded.pad_token_id, loaded.device, "right"):
        logits = loaded.model(**batch.inputs(), use_cache=False).logits[:, :-1].double()
        taken = logits.log_softmax(-1).gather(-1, batch.input_ids[:, 1:, None])[..., 0]
        mask = batch.attention_mask[:, 1:].double()
        means: Tensor = (taken * mask).sum(1) / mask.sum(1)
        found[[long_enough[row] for row in batch.rows]] = means.cpu().numpy()
    return found


def likelihood(base: LoadedModel, aligned: LoadedModel, texts: Sequence[str], token_budget: int) -> np.ndarray:
    """Mean log-likelihood under the aligned scorer; high where the text is what such a model writes."""
    return mean_log_likelihoods(aligned, texts, token_budget)


def likelihood_ratio(base: LoadedModel, aligned: LoadedModel, texts: Sequence[str], token_budget: int) -> np.ndarray:
    """How much better the aligned scorer predicts the text than its base."""
    return mean_log_likelihoods(aligned, texts, token_budget) - mean_log_likelihoods(base, texts, token_budget)


DETECTORS: dict[str, Callable[[LoadedModel, LoadedModel, Sequence[str], int], np.ndarray]] = {
    "likelihood": likelihood, "likelihood_ratio": likelihood_ratio,
}
"""Base and aligned scorer, texts, token budget: to one score a text. Higher is more like a machine, whatever the detector."""
