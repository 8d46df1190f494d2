"""What growing a member of the organism takes: forward and backward passes over packed rows."""

from __future__ import annotations

from anatomy.organism.recipe import RECIPES

BACKWARD = 3.0
"""Forward and backward together, in forward passes."""


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
