"""The ways to rank weights by their scores, by name."""

from typing import Literal, get_args

Ranking = Literal["matrix", "row", "global"]
"""Among which weights a fraction is the highest: those of a matrix (as released), of an output row, or of all matrices."""

RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
