"""What the search for a refusal direction ended with, as the stage ``localize`` leaves it for others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

from anatomy.errors import StoreError
from anatomy.store.files import read_json

Outcome = Literal["picked", "nearest", "empty grid", "no refusal tokens"]
"""``picked``: the published rule keeps a candidate. ``nearest``: it keeps none; the one with the lowest bypass is carried on
under a name of ours. ``empty grid``: no candidate could be scored. ``no refusal tokens``: nothing was searched, since nothing
says what a refusal is."""

USABLE = ("picked", "nearest")
"""Outcomes with a direction."""

Place = list[int]
"""Position and layer."""


ControlPlaces = dict[Literal["ablate", "add"], Place | None]
"""Where a control direction does most, by what is done with it."""


class SelectedDirection(TypedDict):
    """The direction of one contrast.

    ``controls`` holds for each control direction (``isotropic-0``) the places at which it does most, ablated and added; None for
    one without a direction anywhere. Only where the direction is ranked among controls.
    """

    outcome: Outcome
    position: int | None
    layer: int | None
    controls: NotRequired[dict[str, ControlPlaces]]


Selected = dict[str, SelectedDirection]
"""Contrast to its direction."""


def read_selected(path: Path) -> Selected:
    """The directions of a model.

    Raises:
        StoreError: the file is missing, no JSON, or not what this version writes.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not all(
        isinstance(one, dict) and {"outcome", "position", "layer"} <= set(one) for one in found.values()
    ):
        raise StoreError(
            found=f"{str(found)[:80]}",
            expected="outcome, position and layer for each contrast",
            where=str(path),
            remedy="remove the file and run again; it will be made anew",
        )
    return cast(Selected, found)


def place_of(found: SelectedDirection) -> tuple[int, int] | None:
    """Position and layer of a direction, picked or nearest; None where there is none."""
    if found["outcome"] not in USABLE or found["position"] is None or found["layer"] is None:
        return None
    return found["position"], found["layer"]
