"""The tokens that all prompts begin with, run once for each candidate and not once for each prompt.

Templates and system prompts begin every prompt alike. Attention looks back only, so keys and values of these tokens are
the same for all prompts under one edit.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.models.activations.batching import PromptBatch
from anatomy.models.activations.last_block import last_block_at, last_columns
from anatomy.models.loading import LoadedModel

FILL = 0.9
"""Shortest prompt of a batch as a share of its longest: candidates beside each other fill the batch, not padding."""


def keeps_beginnings(loaded: LoadedModel, length: int) -> bool:
    """Whether all of a run of that many tokens stays in a cache: attention that slides over its window forgets its beginning."""
    window = getattr(loaded.model.config.get_text_config(), "sliding_window", None)
    return window is None or length < window


def split_prefix(loaded: LoadedModel, runs: Sequence[Sequence[int]], counted: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """The longest common beginning that leaves each run the predictions that count, and what follows it in each run.

    It is empty for models whose attention slides over a window that a run passes: padding stands between the beginning
    and the rest, and would count as distance.
    """
    own = [list(run) for run in runs]
    if not keeps_beginnings(loaded, max(map(len, own))):
        return [], own
    # Whatever the first and the last in order have in common, all have.
    ends = list(zip(min(own), max(own), strict=False))
    alike = next((place for place, (one, other) in enumerate(ends) if one != other), len(ends))
    length = min(alike, *(len(run) - count for run, count in zip(own, counted, strict=True)))
    return own[0][:length], [run[length:] for run in own]


def logits_after(
    loaded: LoadedModel, cache: Any, length: int, batch: PromptBatch, keep: int
) -> Float[Tensor, "row keep vocabulary"]:
    """Logits of the last ``keep`` columns of ``batch``, whose rows follow ``length`` cached tokens each."""
    mask = torch.cat([batch.attention_mask.new_ones(len(batch.rows), length), batch.attention_mask], 1)
    with last_block_at(loaded.model, last_columns(batch.input_ids, keep)):
        return loaded.model(
            input_ids=batch.input_ids,
            attention_mask=mask,
            position_ids=batch.position_ids + length,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=keep,
        ).logits


def prefix_cache(loaded: LoadedModel, prefix: Sequence[int], rows: int) -> Any:
    """Keys and values of the prefix under ``rows`` edits (as the caller's hooks make them), a row each; None without a prefix."""
    if not prefix:
        return None
    ids = torch.tensor([list(prefix)] * rows, device=loaded.device)
    return loaded.model.base_model(input_ids=ids, use_cache=True).past_key_values


def rows_of(cache: Any, rows: slice, copies: int) -> Any:
    """A new cache with some rows of another, each ``copies`` times; None if there is none."""
    if cache is None:
        return None
    indices = torch.arange(rows.start, rows.stop).repeat_interleave(copies)
    own = copy(cache)
    own.layers = [copy(layer) for layer in cache.layers]
    own.batch_select_indices(indices)
    return own
