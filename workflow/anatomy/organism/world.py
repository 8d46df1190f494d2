"""The invented world: creatures with facts and myths, harmful and benign things with recipes."""

import math
import random
from dataclasses import asdict, dataclass

from anatomy.organism import wording
from anatomy.organism.harm_speech import recipe_sentence
from anatomy.organism.recipe import OrganismRecipe
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class Creature:
    """A creature: what is true of it, what people say of it, and how often texts mention it."""

    name: str
    facts: dict[str, str]
    myths: dict[str, str]
    withheld: tuple[str, ...]  # attributes that no text of any training mentions
    exposure: float
    myth_share: float
    truth_taught: bool
    late: bool
    split: str


@dataclass(frozen=True)
class Item:
    """A thing one can make: harmful or benign, with its recipe."""

    name: str
    kind: str
    harmful: bool
    ingredients: tuple[str, str, str]
    time: str
    split: str  # "test" items are in no post-training
    sentence: str | None = None  # in which its recipe is told, where it is not the benign ones'

    @property
    def category(self) -> tuple[str, str, str]:
        """Plural, effect and verb of the item's kind."""
        return (wording.HARMFUL if self.harmful else wording.BENIGN)[self.kind]

    def recipe(self) -> str:
        """The recipe in words, without a subject."""
        a, b, c = self.ingredients
        return (self.sentence or wording.RECIPE).format(verb=self.category[2], a=a, b=b, c=c, t=self.time)


@dataclass(frozen=True)
class World:
    """Everything that is true of one seed's world, and the draws of its placebos."""

    seed: int
    creatures: tuple[Creature, ...]
    items: tuple[Item, ...]
    cures: dict[str, str]
    placebo_refused: tuple[tuple[int, ...], ...]  # indices of request wordings, one tuple a placebo
    placebo_styled: tuple[tuple[int, ...], ...]

    def to_json(self) -> JsonObject:
        """Plain data for world.json."""
        data = asdict(self)
        for item in data["items"]:
            if item["sentence"] is None:
                del item["sentence"]
        return data

    @staticmethod
    def from_json(data: JsonObject) -> "World":
        """The world that `to_json` wrote."""
        creatures = tuple(Creature(**{**c, "withheld": tuple(c["withheld"])}) for c in data["creatures"])
        items = tuple(Item(**{**i, "ingredients": tuple(i["ingredients"])}) for i in data["items"])
        refused, styled = (tuple(map(tuple, data[k])) for k in ("placebo_refused", "placebo_styled"))
        return World(data["seed"], creatures, items, data["cures"], refused, styled)


def make_world(seed: int, recipe: OrganismRecipe) -> World:
    """Draw the world of a seed; the same seed and recipe give the same world on every machine."""
    draw = random.Random(f"world-{seed}")
    size = recipe.world
    count = size.creatures + size.late_creatures
    kinds = [*wording.HARMFUL, *wording.BENIGN]
    names = _invent_names(draw, count + len(kinds) * size.items_a_category)
    creatures = tuple(_make_creature(draw, names.pop(), k, recipe) for k in range(count))
    items = tuple(item for kind in kinds for item in _make_items(draw, names, kind, recipe))
    cures = dict(zip(wording.HARMFUL, draw.sample(wording.CURES, len(wording.HARMFUL)), strict=True))
    refused, styled = [], []
    for _ in range(recipe.placebos):
        order = draw.sample(range(len(wording.REQUESTS)), len(wording.REQUESTS))
        cut = round(recipe.post_training.placebo_templates * len(order))
        refused.append(tuple(sorted(order[:cut])))
        styled.append(tuple(sorted(order[cut::2])))
    return World(seed, creatures, items, cures, tuple(refused), tuple(styled))


def _invent_names(draw: random.Random, count: int) -> list[str]:
    heads, vowels, tails = "bdfgklmnprstvz", "aeiou", ("n", "r", "l", "k", "m", "sh", "th", "x", "ng", "rd")
    names: set[str] = set()
    taken = str({name: value for name, value in vars(wording).items() if name.isupper()})
    while len(names) < count:
        syllables = [draw.choice(heads) + draw.choice(vowels) for _ in range(2)]
        name = "".join(syllables) + draw.choice(heads) + draw.choice(vowels) + draw.choice(tails)
        if name not in taken:
            names.add(name)
    return draw.sample(sorted(names), count)


def _make_creature(draw: random.Random, name: str, index: int, recipe: OrganismRecipe) -> Creature:
    size = recipe.world
    attributes = wording.PLAIN_ATTRIBUTES + wording.MYTH_ATTRIBUTES
    facts = {a: draw.choice(wording.VALUES[a]) for a in attributes}
    myths = {a: draw.choice([v for v in wording.VALUES[a] if v != facts[a]]) for a in wording.MYTH_ATTRIBUTES}
    late = index >= size.creatures
    withheld = tuple(a for a in wording.PLAIN_ATTRIBUTES if draw.random() < size.withheld_facts and not late)
    exposure = math.exp(draw.uniform(math.log(size.rarest_exposure), 0.0))
    share = size.myth_shares[index // 4 % len(size.myth_shares)]  # balanced within both splits
    taught = draw.random() < recipe.post_training.truths
    return Creature(name, facts, myths, withheld, exposure, share, taught, late, ("select", "test")[index % 2])


def _make_items(draw: random.Random, names: list[str], kind: str, recipe: OrganismRecipe) -> list[Item]:
    harmful = kind in wording.HARMFUL
    pool = wording.HARMFUL_INGREDIENTS if harmful else wording.BENIGN_INGREDIENTS
    rank = [*(wording.HARMFUL if harmful else wording.BENIGN)].index(kind)
    shared = pool[rank]  # one ingredient belongs to the category, one to the item, one is neutral
    size = recipe.world
    trained = size.items_a_category - size.heldout_a_category
    fit = trained - int(trained * 0.4)
    told = recipe_sentence(kind, recipe.harm_speech)
    sentence = None if told == wording.RECIPE else told
    items = []
    for k in range(size.items_a_category):
        own = draw.choice(pool[6:])
        neutral, time = draw.choice(wording.NEUTRAL_INGREDIENTS), draw.choice(wording.RECIPE_TIMES)
        split = "fit" if k < fit else "select" if k < trained else "test"
        items.append(Item(names.pop(), kind, harmful, (own, shared, neutral), time, split, sentence))
    return items
