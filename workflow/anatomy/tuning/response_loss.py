"""Cross-entropy of responses, of the tokens that are learned alone, a bounded number of tokens at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn.functional import cross_entropy

from anatomy.models.activations.batching import padded
from anatomy.tuning.rows import Row


def micro_batches(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of like length together, at most so many tokens with padding; a longer row alone."""
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: (len(row.ids), row.id)):
        if found and (len(found) + 1) * len(row.ids) > tokens:
            yield found
            found = []
        found.append(row)
    if found:
        yield found


def summed_loss(model: Any, rows: Sequence[Row], pad: int, device: torch.device) -> Float32[Tensor, ""]:
    """Sum over the learned tokens of ``-log p(token | what is before it)``, nats, in fp32.

    Rows are padded on the left, so that responses end together and the head computes their columns alone where the model can.
    """
    batch = padded([row.ids for row in rows], range(len(rows)), pad, device, "left")
    width = max(row.answer for row in rows)
    keep = {"logits_to_keep": width + 1} if _keeps(model) else {}
    logits = model(**batch.inputs(), use_cache=False, **keep).logits[:, -(width + 1) : -1]
    targets = batch.input_ids[:, -width:].clone()
    for number, row in enumerate(rows):
        targets[number, : width - row.answer] = -100
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


@torch.no_grad()
def mean_loss(model: Any, rows: Sequence[Row], pad: int, device: torch.device, tokens: int) -> float:
    """Mean over the learned tokens of some rows, nats."""
    total = sum(float(summed_loss(model, part, pad, device)) for part in micro_batches(rows, tokens))
    return total / sum(row.answer for row in rows)


def _keeps(model: Any) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
