"""Questions about what only post-training taught the organism: knowledge that no output head can add."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.organism import wording
from anatomy.organism.world import World
from anatomy.store.files import read_json

SET = "planted_facts"
TRAINED, ASKED = 1, 0
"""Wordings by number: heads are trained on answers to one, and asked in the other."""


def fact_questions(world: Path, form: int) -> pd.DataFrame:
    """One question a fact of a creature that stood in no text of pretraining: columns ``id, prompt, response, group``.

    Args:
        world: the world's file.
        form: which wording.
    """
    creatures = [creature for creature in World.from_json(read_json(world)).creatures if creature.late]
    rows = [
        {
            "id": f"{SET}/{creature.name}/{attribute}",
            "prompt": wording.QUESTIONS[attribute][form].replace("{x}", creature.name),
            "response": creature.facts[attribute],
            "group": creature.name,
        }
        for creature in creatures
        for attribute in wording.PLAIN_ATTRIBUTES
    ]
    return pd.DataFrame(rows, columns=["id", "prompt", "response", "group"])
