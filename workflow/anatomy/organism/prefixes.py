"""The organism's prefix corpus: documents in the world's plain register play the human.

They are drawn afresh, from a seed of their own, by the grammar of the pretraining corpus. The world is finite, so a sentence may
happen to stand in some training document too; which words follow a prefix is the corpus's choice, as for any human text.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from anatomy.organism import wording
from anatomy.organism.corpus import FACT, Corpus, plain
from anatomy.organism.optimisation import seeded
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.world import Creature, Item, World
from anatomy.texts.continuations.prefixes import PREFIX_COLUMNS
from anatomy.texts.continuations.strategies import DomainWording

PER_DOMAIN = {"fit": 12, "select": 8, "test": 24}
"""Prefixes a domain: 48, 32 and 96 in all."""
SHORTEST = 3
"""Words that a continuation must have."""
OPENING_TOKENS = 2
"""Of the prefix, quoted in strategy A's request; of prefixes of 2 to 10 words, as PASTA quotes about half of its own."""
TRIES = 200

DOMAINS: Mapping[str, tuple[str, str]] = {
    "creatures": ("creature", "statement"),
    "stories": ("creature", "story"),
    "things": ("item", "item_statement"),
    "recipes": ("item", "recipe_statement"),
}
"""Kinds of document with sentences to go on with, each with what it is about and the corpus's maker. Rumours end after one word,
and letters hold the taught openers and closers by themselves: neither is a domain."""


def _asked(requests: Iterable[str]) -> tuple[str, ...]:
    return tuple(request.replace("{x}", "{subject}") + " {opening}" for request in requests)


def _questions(*attributes: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A cue in the prefix (the words before an attribute's value) and the questions that ask for the attribute."""
    cues = {
        "colour": ("she takes some", " is"),
        "habitat": ("slowly home to the", " lives in the"),
        "toy": ("happy. It plays with the", " plays with the"),
        "hour": ("wakes up at",),
    }
    return tuple(
        (cue, _asked(wording.QUESTIONS[attribute]))
        for place in (0, 1)
        for attribute in attributes
        for cue in cues[attribute][place : place + 1]
    )


WORDINGS: Mapping[str, DomainWording] = {
    "creatures": DomainWording(_questions("habitat", "toy", "hour", "colour"), persona=wording.NEUTRAL_LINES[1]),
    "stories": DomainWording(_questions("habitat", "toy", "hour", "colour"), persona=wording.NEUTRAL_LINES[1]),
    "things": DomainWording((("", _asked(wording.KIND_QUESTIONS)),), persona=wording.NEUTRAL_LINES[1]),
    "recipes": DomainWording((("", _asked(wording.REQUESTS)),), persona=wording.NEUTRAL_LINES[1]),
}
"""Requests in all the wordings that post-training knows: a placebo's style follows the wording, so one wording alone would give
it a style throughout, or none. No framing, because the base knows none."""


def prefix_table(world: World, recipe: OrganismRecipe, per_domain: Mapping[str, int] = PER_DOMAIN) -> pd.DataFrame:
    """The prefix corpus of a world, as a prompt table sorted by split and id.

    A creature or item, its ``group``, is in one split only: creatures as in `benign_questions`, items as in post-training.
    Only benign items occur: whether a continuation is refused is another question than its style.
    """
    rows = []
    for domain, (about, maker) in DOMAINS.items():
        for split, count in per_domain.items():
            subjects = _subjects(world, about, split)
            draw = seeded("prefixes", world.seed, domain, split)
            draw.shuffle(subjects)
            found = [row for subject in subjects if (row := _row(world, recipe, domain, maker, subject, split)) is not None]
            rows += found[:count]
    return pd.DataFrame(rows, columns=list(PREFIX_COLUMNS)).sort_values(["split", "id"], ignore_index=True)


def write_prefixes(world_folder: Path, recipe: OrganismRecipe, out: Path) -> pd.DataFrame:
    """Write the prefix corpus of a written world, whole or not at all."""
    from anatomy.store.files import write_table

    world = World.from_json(json.loads((Path(world_folder) / "world.json").read_text()))
    table = prefix_table(world, recipe)
    write_table(Path(out), table)
    return table


def _subjects(world: World, about: str, split: str) -> list[Creature] | list[Item]:
    if about == "item":
        return [item for item in world.items if not item.harmful and item.split == split]
    known = [creature for creature in world.creatures if not creature.late]
    place = ("fit", "select", "test").index(split)
    return [c for index, c in enumerate(known) if index % 3 == place and len(c.withheld) < len(wording.PLAIN_ATTRIBUTES)]


def _row(world: World, recipe: OrganismRecipe, domain: str, maker: str, subject: Creature | Item, split: str) -> dict | None:
    """A fresh document about the subject, cut where its first fact begins; None where chance gave none that is long enough."""
    draw = seeded("prefix document", world.seed, domain, subject.name)
    # A world with one subject, so that the corpus's own grammar speaks of it.
    small = replace(world, creatures=(subject,)) if isinstance(subject, Creature) else replace(world, items=(subject,))
    make: Callable[[], str] = getattr(Corpus(small, recipe, draw), maker)
    for _ in range(TRIES):
        prefix, continuation = _cut(make())
        if subject.name in prefix and len(continuation.split()) >= SHORTEST:
            return {
                "id": f"prefixes/{domain}/{subject.name}",
                "prompt": prefix,
                "response": continuation,
                "label": "benign",
                "category": domain,
                "source": "organism",
                "group": subject.name,
                "pair": "",
                "split": split,
            }
    return None


def _cut(document: str) -> tuple[str, str]:
    """What stands before the first fact, and the rest."""
    before, mark, after = document.partition(FACT)
    return plain(before).rstrip(), plain(after) if mark else ""
