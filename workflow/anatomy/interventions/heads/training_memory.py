"""Whether a machine has the memory that a head's training takes, asked before it begins."""

from __future__ import annotations

import os

from anatomy.errors import ModelError
from anatomy.models.machine.memory import this_machine
from anatomy.models.memory import SWITCH, say_bytes

MATRICES = 6
"""Copies of a full head while it is trained: W, W + D, the gradient, two moments of Adam's, and the best one so far."""


def training_bytes(rows: int, columns: int, rank: int | None, batch_tokens: int) -> int:
    """Bytes in float32: of the matrices (for a low rank W and five pairs of factors) and of a step's logits and targets."""
    matrices = MATRICES * rows * columns if rank is None else rows * columns + (MATRICES - 1) * rank * (rows + columns)
    return 4 * (matrices + 2 * batch_tokens * rows)


def require_training_memory(shape: tuple[int, ...], rank: int | None, batch_tokens: int, where: str) -> None:
    """Refuse (``ModelError``) a head whose training this machine cannot hold, but for ``ANATOMY_MEMORY_CHECK=off``.

    Args:
        shape: of the head: the tokens whose logits it changes, and what it reads.
        rank: None for full rank.
    """
    rows, columns = shape
    need, free = training_bytes(rows, columns, rank, batch_tokens), this_machine().free
    if need <= free or os.environ.get(SWITCH) == "off":
        return
    low = training_bytes(rows, columns, 16, batch_tokens)
    raise ModelError(
        found=f"a head of {rows:,} x {columns:,} whose training takes {say_bytes(need)}: {MATRICES} such matrices in float32 and "
        f"the logits of {batch_tokens:,} tokens; {say_bytes(free)} are free",
        expected=f"at most {say_bytes(free)}",
        where=where,
        remedy="let heads change the likeliest tokens alone (the paper's option union), or take fewer tokens a step "
        f"(training.batch_tokens); at rank 16 it would take {say_bytes(low)}",
    )
