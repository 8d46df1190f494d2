"""Write the prefix corpus of an organism."""

from __future__ import annotations

from pathlib import Path

from anatomy.organism.prefixes import write_prefixes
from anatomy.organism.recipe import RECIPES

PINS: tuple[str, ...] = ()
NOT_PINNED = {"torch": "imported with the organism's modules; prefixes are text"}


def make(recipe: str, folder: Path, out: Path) -> None:
    """Write ``out``, the prefix corpus of the world in ``folder``."""
    write_prefixes(folder, RECIPES[recipe], out)
