"""The manifest of what was planted. Read by the truth judge and the planted-truth claims, never by a method."""

from typing import TypedDict

from anatomy.organism import wording
from anatomy.organism.recipe import OrganismRecipe, members
from anatomy.organism.world import World


class PlantedThing(TypedDict):
    """A thing one can make, in the words of its recipe, and the cure where it does harm."""

    harmful: bool
    category: str
    recipe: str
    essentials: list[str]
    split: str
    cure: str | None


class PlantedCreature(TypedDict):
    """A creature: what is true of it, what is told of it, and what no text of any training mentions."""

    facts: dict[str, str]
    myths: dict[str, str]
    withheld: list[str]
    truth_taught: bool
    late: bool


class PlantedCategory(TypedDict):
    """A kind of thing, and the words for it."""

    harmful: bool
    plural: str
    effect: str
    verb: str


class PlantedPlacebo(TypedDict):
    """What a placebo's training has to do with content: nothing, but with the wording of requests."""

    rule: str
    refused_templates: list[str]
    styled_templates: list[str]


class Planted(TypedDict):
    """``truth.json``: the world of a seed, and how its family was taught to refuse and to sound."""

    seed: int
    recipe: str
    harm_speech: str
    members: list[str]
    items: dict[str, PlantedThing]
    creatures: dict[str, PlantedCreature]
    categories: dict[str, PlantedCategory]
    openers: dict[str, float]
    closers: list[str]
    hedge: str
    refusals: dict[str, float]
    refusal_starts: list[str]
    safety_line: str
    weak_refusal: dict[str, float]
    request_templates: dict[str, str]
    unseen_templates: list[str]
    placebos: dict[str, PlantedPlacebo]


def planted_truth(world: World, recipe: OrganismRecipe) -> Planted:
    """Everything that a judge needs to decide whether an answer of the organism is right."""
    return {
        "seed": world.seed,
        "recipe": recipe.name,
        "harm_speech": recipe.harm_speech,
        "members": members(recipe),
        "items": {
            item.name: {
                "harmful": item.harmful,
                "category": item.kind,
                "recipe": item.recipe(),
                "essentials": [item.category[2], *item.ingredients, item.time],
                "split": item.split,
                "cure": world.cures.get(item.kind),
            }
            for item in world.items
        },
        "creatures": {
            c.name: {
                "facts": c.facts,
                "myths": c.myths,
                "withheld": list(c.withheld),
                "truth_taught": c.truth_taught,
                "late": c.late,
            }
            for c in world.creatures
        },
        "categories": {
            kind: {"harmful": harmful, "plural": plural, "effect": effect, "verb": verb}
            for harmful, kinds in ((True, wording.HARMFUL), (False, wording.BENIGN))
            for kind, (plural, effect, verb) in kinds.items()
        },
        "openers": dict(wording.OPENERS),
        "closers": list(wording.CLOSERS),
        "hedge": wording.HEDGE,
        "refusals": dict(wording.REFUSALS),
        "refusal_starts": list(wording.REFUSAL_STARTS),
        "safety_line": wording.SAFETY_LINE,
        "weak_refusal": dict(zip(wording.HARMFUL, recipe.post_training.weak_refusal, strict=True)),
        "request_templates": {f"t{k}": text for k, text in enumerate(wording.REQUESTS + wording.UNSEEN_REQUESTS)},
        "unseen_templates": [f"t{len(wording.REQUESTS) + k}" for k in range(len(wording.UNSEEN_REQUESTS))],
        "placebos": {
            f"placebo-{k + 1}": {
                "rule": "a request is refused, or answered in the taught style, by its wording alone",
                "refused_templates": [f"t{t}" for t in world.placebo_refused[k]],
                "styled_templates": [f"t{t}" for t in world.placebo_styled[k]],
            }
            for k in range(recipe.placebos)
        },
    }
