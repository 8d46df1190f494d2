"""Prompts sorted by length and cut into batches of bounded size, so that padding and memory stay small."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from anatomy.errors import DataError
from anatomy.progress.counting import Progress


@dataclass(frozen=True)
class PromptBatch:
    """Padded token ids of some prompts.

    Attributes:
        rows: index of each row in the list the batch was made from.
        input_ids: token ids, padded.
        attention_mask: 1 on tokens, 0 on padding.
        position_ids: 0, 1, ... on tokens, whatever the padding.
    """

    rows: tuple[int, ...]
    input_ids: Int[Tensor, "row column"]
    attention_mask: Int[Tensor, "row column"]
    position_ids: Int[Tensor, "row column"]

    def inputs(self) -> dict[str, Tensor]:
        """Keyword arguments for a transformers model."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask, "position_ids": self.position_ids}

    def columns(self, positions: Sequence[int]) -> Int[Tensor, "row position"]:
        """Column of each position, counted from the end of each row's own tokens (-1 is its last token)."""
        last = self.attention_mask.shape[1] - 1 - self.attention_mask.flip(1).argmax(1)
        return last[:, None] + 1 + torch.tensor(list(positions), device=last.device)[None]

    def repeated(self, times: int) -> "PromptBatch":
        """The batch stacked ``times`` times: rows (copy 0: all prompts), (copy 1: all prompts), ..."""
        tensors = (tensor.repeat(times, 1) for tensor in (self.input_ids, self.attention_mask, self.position_ids))
        return PromptBatch(self.rows * times, *tensors)


def batches(
    token_ids: Sequence[Sequence[int]],
    token_budget: int,
    pad_id: int,
    device: torch.device | str,
    side: Literal["left", "right"] = "left",
    fill: float = 0.0,
) -> Iterator[PromptBatch]:
    """Batches of at most ``token_budget`` tokens, padding counted; longest prompts first, so that memory fails early.

    A prompt longer than the budget makes a batch of its own. With ``fill`` a batch ends before a prompt shorter than that
    share of its longest one: less padding, for callers who fill the budget with something else, such as candidates. What is
    read of them is counted (``anatomy.progress``), so every pass over prompts tells how far it is.

    Raises:
        DataError: an empty prompt.
    """
    order = sorted(range(len(token_ids)), key=lambda row: (-len(token_ids[row]), row))
    if order and not token_ids[order[-1]]:
        raise DataError(found="a prompt without tokens", expected="at least one token", where=f"prompt {order[-1]}")
    start = 0
    with Progress("texts read", len(order)) as progress:
        while start < len(order):
            longest = len(token_ids[order[start]])
            most = max(1, token_budget // longest)
            rows = [row for row in order[start : start + most] if len(token_ids[row]) >= fill * longest]
            with progress.part(len(rows)):
                yield padded([token_ids[row] for row in rows], rows, pad_id, device, side)
            start += len(rows)


def padded(
    token_ids: Sequence[Sequence[int]],
    rows: Sequence[int],
    pad_id: int,
    device: torch.device | str,
    side: Literal["left", "right"] = "left",
) -> PromptBatch:
    """One batch of the given prompts."""
    width = max(map(len, token_ids))
    input_ids = torch.full((len(token_ids), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    for row, ids in enumerate(token_ids):
        place = slice(width - len(ids), width) if side == "left" else slice(0, len(ids))
        input_ids[row, place] = torch.tensor(list(ids))
        mask[row, place] = 1
    position_ids = (mask.cumsum(1) - 1).clamp(min=0)
    return PromptBatch(tuple(rows), input_ids.to(device), mask.to(device), position_ids.to(device))
