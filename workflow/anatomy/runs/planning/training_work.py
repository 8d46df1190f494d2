"""What training takes, of the organism's members and of partners that a run makes: forward and backward passes over rows."""

from __future__ import annotations

from anatomy.config.tuning import Tuned
from anatomy.costs.stage_work import StageWork
from anatomy.organism.recipe import RECIPES

BACKWARD = 3.0
"""Forward and backward together, in forward passes."""

BACKWARD_FROZEN = 2.0
"""The same where weights are frozen and only an adapter learns: their gradients are not computed."""


def training_tokens(recipe: str, member: str) -> int:
    """Tokens that pass forwards and backwards while a member is trained; an uncensored rung goes on from the one below."""
    numbers = RECIPES[recipe]
    if member == "base":
        return numbers.pretraining.steps * numbers.pretraining.rows * numbers.pretraining.row_tokens
    tuned, steps = numbers.post_training, numbers.post_training.steps
    if member.startswith("uncensored"):
        rungs = numbers.uncensoring.rungs
        rank = min(int(member.rpartition("-")[2]), len(rungs))
        steps = rungs[rank - 1] - (rungs[rank - 2] if rank > 1 else 0)
    return steps * tuned.rows * tuned.row_tokens


def training_reads(recipe: str, member: str) -> int:
    """The same as tokens of a forward pass."""
    return round(BACKWARD * training_tokens(recipe, member))


def tuning_work(options: Tuned) -> StageWork:
    """Of a partner that is trained by an adapter, at most: every token of it is learned."""
    passes = BACKWARD_FROZEN + options.checkpointing
    return StageWork(
        "tune",
        f"{options.tokens} tokens forwards and backwards",
        round(passes * options.tokens),
        0,
        predictions=round(BACKWARD_FROZEN * options.tokens),
    )
