"""Targets as they lie on the disk: four bytes a kept token, however large the vocabulary.

Answers use few of a large vocabulary's tokens. A shard lists the ids that it keeps once and names them by two bytes each, where
it keeps no more than two bytes can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from anatomy.interventions.heads.targets import Targets

TOLD_APART = 2**16
SHIFT = 2**15
"""int16 begins below zero."""


def packed(targets: Targets) -> dict[str, Tensor]:
    """Tensors ``counts``, ``tokens``, ``log_mass``, ``rest`` and, where tokens are named by their place among them, ``known``."""
    counts = targets.starts[1:] - targets.starts[:-1]
    narrow = torch.int16 if int(counts.max() if len(counts) else 0) <= torch.iinfo(torch.int16).max else torch.int32
    found = {"counts": counts.to(narrow), "tokens": targets.tokens, "log_mass": targets.log_mass, "rest": targets.rest}
    if targets.tokens.element_size() > 2:
        known, places = targets.tokens.unique(return_inverse=True)
        if len(known) <= TOLD_APART:
            found |= {"known": known, "tokens": (places - SHIFT).to(torch.int16)}
    return found


def unpacked(parts: Mapping[str, Tensor]) -> Targets:
    """The targets that were packed, with the same bits.

    Raises:
        KeyError: a tensor is missing.
    """
    starts = torch.cat([torch.zeros(1, dtype=torch.long), parts["counts"].long().cumsum(0)])
    tokens = parts["known"][parts["tokens"].long() + SHIFT] if "known" in parts else parts["tokens"]
    return Targets(starts, tokens, parts["log_mass"], parts["rest"])


def stored_bytes(parts: Mapping[str, Tensor]) -> int:
    """What tensors take on the disk."""
    return sum(part.numel() * part.element_size() for part in parts.values())
