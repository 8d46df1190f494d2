"""Train one member of an organism's family."""

from __future__ import annotations

from pathlib import Path

from anatomy.organism.recipe import RECIPES
from anatomy.organism.training import grow_base, grow_member


def grow(member: str, seed: int, recipe: str, world: Path, parent: Path | None, out: Path, threads: int) -> None:
    """Train a member and write its folder.

    Args:
        world: folder of the seed's world.
        parent: folder of the model training starts from; None for the base.
        out: the member's folder.
        threads: part of the result's identity.
    """
    if parent is None:
        grow_base(seed, RECIPES[recipe], world, out, threads)
    else:
        grow_member(member, seed, RECIPES[recipe], world, parent, out, threads)
