"""How far two forms of one edit are from each other: weights against hooks, whatever they are."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.edits.write_gap import WriteGap
from anatomy.models.loading import LoadedModel

Form = Callable[[], AbstractContextManager[Any]]
"""Opens the context in which a loaded model is edited."""


@torch.no_grad()
def form_gap(loaded: LoadedModel, token_ids: Sequence[Sequence[int]], one: Form, other: Form) -> WriteGap:
    """Compare the logits at the last token of some prompts under two forms of an edit.

    Returns:
        ``effect``: largest change of a logit by ``one``; ``gap``: largest difference of a logit between the forms, as a share of
        it. Rounding alone where the forms are equivalent (Arditi et al. 2024, appendix E).
    """
    plain = _last_logits(loaded, token_ids)
    with one():
        first = _last_logits(loaded, token_ids)
    with other():
        second = _last_logits(loaded, token_ids)
    effect = (first - plain).abs().max().item()
    return WriteGap(effect, (first - second).abs().max().item() / effect if effect else float("nan"))


def _last_logits(loaded: LoadedModel, token_ids: Sequence[Sequence[int]]) -> Float[Tensor, "prompt vocabulary"]:
    rows = [
        loaded.model(input_ids=torch.tensor([list(ids)], device=loaded.device), use_cache=False, logits_to_keep=1)
        for ids in token_ids
    ]
    return torch.stack([row.logits[0, -1].float() for row in rows])
