"""Write the world of an organism: planted truth, tokenizer, prompts, benchmark tasks."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.subjects import HarmSpeech
from anatomy.organism.recipe import recipe_of
from anatomy.organism.written_world import write_world

PINS: tuple[str, ...] = ("tokenizers",)
NOT_PINNED = {"torch": "imported with the organism's modules; a world is made of text"}


def make(seed: int, recipe: str, harm_speech: HarmSpeech, folder: Path) -> None:
    """Write the world of a seed into its folder; ``world.json`` comes last."""
    write_world(seed, recipe_of(recipe, harm_speech), folder)
