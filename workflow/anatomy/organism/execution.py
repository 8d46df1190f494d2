"""How a training is carried out, beside the numbers that shape it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anatomy.models.machine.formats import Format
from anatomy.organism.training_state import TrainingState


@dataclass(frozen=True)
class Execution:
    """How a training is carried out.

    Args:
        threads: parts of a step computed at a time; changes no bit.
        dtype: number format of products with weights, which is part of the result's identity; parameters and optimiser states are
            fp32.
        state: where the training is kept while it goes on, and resumed from; None: a kill costs all of it.
        advance: told the number of steps just done and their tokens; of a training that goes on first the steps done before, and
            no token.
    """

    threads: int = 1
    dtype: Format = "float32"
    state: TrainingState | None = None
    advance: Callable[[int, int], None] | None = None
