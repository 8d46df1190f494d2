"""A short training whose model is looked at as it goes and never written: the adapter is taken off again at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.models.loading import LoadedModel
from anatomy.tuning.adapter import attach, matrices
from anatomy.tuning.rows import Row
from anatomy.tuning.training import train_adapter


@dataclass(frozen=True)
class ShortTraining:
    """How an adapter is trained in memory.

    Attributes:
        rank, alpha: of the adapter, on every matrix of the blocks.
        batch_rows: rows of a step; all are read once before any is read again.
        learning_rate: of AdamW, falling to zero at the last step.
        seed: of the adapter's beginning and the order of rows.
    """

    rank: int
    alpha: float
    batch_rows: int
    learning_rate: float
    seed: int
    schedule: str = "linear"
    warmup: float = 0.0
    micro_tokens: int = 4096
    keep_every: int = 1_000_000


def look_while_training(
    loaded: LoadedModel,
    rows: Sequence[Row],
    options: ShortTraining,
    looks: Collection[int],
    look: Callable[[int], None],
    say: Callable[[str], None],
) -> list[float]:
    """Train an adapter on rows and look at ``loaded`` after some numbers of steps; it is afterwards what it was.

    Edits that are applied to the model stay below the adapter: what they set to zero is zero where the training begins.

    Args:
        looks: numbers of steps, 0 for the untrained model; the largest is the length of the training.
        look: told the number of steps done, with ``loaded`` as it then is.

    Returns:
        The mean loss of each step's responses, nats a token.

    Raises:
        ModelError, EditError: a model without matrices that can be trained (``adapter.matrices``).
        NumericsError: as ``train_adapter``.
    """
    model = attach(loaded, matrices(loaded, "all"), rank=options.rank, alpha=options.alpha, seed=options.seed)

    def looked(step: int) -> None:
        if step in looks:
            look(step)

    try:
        looked(0)
        steps = in_turn(rows, max(looks), options.batch_rows, options.seed)
        return train_adapter(model, steps, options, pad=loaded.pad_token_id, look=looked, say=say).losses
    finally:
        model.unload()


def in_turn(rows: Sequence[Row], steps: int, batch_rows: int, seed: int) -> list[list[Row]]:
    """Rows of every step: all in a drawn order, then all in another one."""
    draw = np.random.default_rng([seed, 3])
    queue: list[Row] = []
    found = []
    for _ in range(steps):
        step: list[Row] = []
        while len(step) < batch_rows:
            queue = queue or [rows[place] for place in draw.permutation(len(rows))]
            step.append(queue.pop())
        found.append(step)
    return found
