"""Measure a grown family against its bars: the criteria of behaviour that it was tuned for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.organism.bars import measure_bars
from anatomy.organism.recipe import RECIPES

PINS: tuple[str, ...] = ("torch", "transformers")


def measure(seed: int, recipe: str, world: Path, threads: int) -> pd.DataFrame:
    """Every bar of every member that lies under the world's folder."""
    folders = {card.parent.name: card.parent for card in sorted((world / "models").glob("*/card.json"))}
    return measure_bars(seed, RECIPES[recipe], world, folders, threads)
