"""How much ROSI searches in a study of one's own model, by the size that was chosen."""

from __future__ import annotations

from anatomy.recipes.effort import Choice, Effort
from anatomy.recipes.rosi.families import layers
from anatomy.recipes.rosi.options import Rosi

LOOKED_AT = 6
"""Layers of a look, spread over those that may be chosen."""

EVERY = 3
"""A standard study tries each layer of so many."""


def effort_choices(effort: Effort, num_layers: int | None, layer_share: float) -> tuple[Choice, ...]:
    """Options of the section ``rosi``.

    Args:
        num_layers: blocks of the model; None where it is not here yet, and then no layer is left out.
        layer_share: of ``selection``, where the choice of layers ends.
    """
    if effort == "paper":
        return (
            Choice(
                "rosi.forms", ["row_mean", "projection"], "row_mean is the paper's; projection, ours, shows what its form does"
            ),
            Choice(
                "rosi.strengths",
                {"row_mean": [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0], "projection": [0.125, 0.25, 0.5, 1.0]},
                "the paper gives no strength; these are searched on the select split, as in config/paper/rosi.yaml",
            ),
            Choice("rosi.layers", "kept", "the paper names no layer: all that the selection rule keeps"),
        )
    kept = None if num_layers is None else layers(Rosi(), num_layers, layer_share)
    if effort == "look":
        return (
            Choice("rosi.forms", ["row_mean", "projection"], "the paper's form and the one of ours that moves models most"),
            Choice("rosi.strengths", {"row_mean": [2.0, 5.0], "projection": [0.25, 1.0]}, "a mild and a strong one of each"),
            *_some(None if kept is None else spread(kept, LOOKED_AT), "a few, spread over those that may be chosen"),
            Choice("rosi.shortlist", 1, "answers are generated with the best of each search alone"),
        )
    return (
        Choice(
            "rosi.strengths",
            {"row_mean": [2.0, 5.0], "projection": [0.25, 1.0], "mean_input": [2.0, 5.0]},
            "a mild and a strong one of each: every control searches them all too",
        ),
        *_some(None if kept is None else kept[1::EVERY] or kept, f"each of {EVERY}: neighbouring layers do nearly the same"),
        Choice("rosi.shortlist", 1, "answers are generated with the best of each search alone, controls among them"),
    )


def spread(values: list[int], count: int) -> list[int]:
    """So many of the values, evenly spaced in the middle of equal parts; all where there are no more."""
    if len(values) <= count:
        return values
    return [values[int((place + 0.5) * len(values) / count)] for place in range(count)]


def _some(chosen: list[int] | None, why: str) -> tuple[Choice, ...]:
    return () if chosen is None else (Choice("rosi.layers", chosen, why),)
