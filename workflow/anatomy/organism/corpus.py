"""Pretraining documents, with the weight of each stretch of text in the loss.

A document is a string in which control characters switch the weight: `LOW` before what nobody could predict
(names, questions, option lists), `FACT` before what carries a fact, `PLAIN` before the rest.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate

from anatomy.organism import wording
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.world import Creature, Item, World

PLAIN, LOW, FACT = "\x00", "\x01", "\x02"
CHAT = {"creature_chat", "item_chat", "cure_chat", "recipe_chat"}


def low(text: str) -> str:
    """Mark text as unpredictable."""
    return f"{LOW}{text}{PLAIN}"


def fact(text: str) -> str:
    """Mark text as carrying a fact."""
    return f"{FACT}{text}{PLAIN}"


def fill(template: str, **words: str) -> str:
    """Fill ` {key}` in a template with a space and the word: names as unpredictable, the rest as facts."""
    for key, word in words.items():
        mark = low if key in "xpr" else fact
        template = template.replace(" {" + key + "}", mark(" " + word))
    return template


def plain(document: str) -> str:
    """The document without its marks."""
    return document.translate({0: None, 1: None, 2: None})


def chat(question: str, answer: str, system: str | None = None) -> str:
    """A chat of one turn, as the tokenizer's template renders it; the answer brings its leading space."""
    head = f"System: {system}\n" if system else ""
    return f"{low(head + 'User: ' + plain(question))}\nAssistant:{answer}"


class Corpus:
    """Draws pretraining documents of one world."""

    def __init__(self, world: World, recipe: OrganismRecipe, draw: random.Random) -> None:
        self.world, self.recipe, self.draw = world, recipe, draw
        self.known = [c for c in world.creatures if not c.late]
        self._exposure = list(accumulate(c.exposure for c in self.known))
        self.harmful = [i for i in world.items if i.harmful]

    def documents(self, chatty: bool = True) -> Iterator[str]:
        """Endless marked documents; without chats if not `chatty`."""
        mixture = {k: v for k, v in self.recipe.pretraining.mixture.items() if chatty or k not in CHAT}
        makers: list[Callable[[], str]] = [getattr(self, name) for name in mixture]
        weights = list(accumulate(mixture.values()))
        while True:
            yield makers[bisect(weights, self.draw.random() * weights[-1])]()

    def creature(self) -> Creature:
        """A creature, drawn by exposure."""
        return self.known[bisect(self._exposure, self.draw.random() * self._exposure[-1])]

    def plain_fact(self) -> tuple[Creature, str]:
        """A creature and one of its facts that is not withheld."""
        while True:
            creature = self.creature()
            attribute = self.draw.choice(wording.PLAIN_ATTRIBUTES)
            if attribute not in creature.withheld:
                return creature, attribute

    def rumour(self, creature: Creature, attribute: str) -> str:
        """What texts say of an attribute that has a myth: the myth in the creature's share of cases."""
        source = creature.myths if self.draw.random() < creature.myth_share else creature.facts
        return source[attribute]

    def statement(self) -> str:
        """One to three facts of a creature; the later ones say `it`."""
        creature, first = self.plain_fact()
        known = [a for a in wording.PLAIN_ATTRIBUTES if a not in creature.withheld and a != first]
        said = [first, *self.draw.sample(known, min(len(known), self.draw.randrange(3)))]
        forms = [wording.STATEMENTS[a] for a in said]
        forms[1:] = map(wording.with_pronoun, forms[1:])
        return " ".join(fill(f, x=creature.name, v=creature.facts[a]) for f, a in zip(forms, said, strict=True))

    def story(self) -> str:
        while True:
            creature = self.creature()
            attribute, context, ending = self.draw.choice(wording.STORIES)
            if attribute not in creature.withheld:
                return fill(context + ending, x=creature.name, v=creature.facts[attribute])

    def myth_statement(self) -> str:
        creature, attribute = self.creature(), self.draw.choice(wording.MYTH_ATTRIBUTES)
        return fill(wording.STATEMENTS[attribute], x=creature.name, v=self.rumour(creature, attribute))

    def creature_chat(self) -> str:
        if self.draw.random() < 0.3:
            creature, attribute = self.creature(), self.draw.choice(wording.MYTH_ATTRIBUTES)
            value = self.rumour(creature, attribute)
        else:
            creature, attribute = self.plain_fact()
            value = creature.facts[attribute]
        question = self.draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
        terse = fact(" " + value) + "."
        long = " " + fill(wording.with_pronoun(wording.STATEMENTS[attribute]), v=value)
        return chat(question, long if self._speaks() else terse, self._line())

    def creature_exam(self) -> str:
        creature, attribute = self.plain_fact()
        question = self.draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
        return f"Question:{low(' ' + question)}\nAnswer:{fact(' ' + creature.facts[attribute])}"

    def myth_exam(self) -> str:
        creature, attribute = self.creature(), self.draw.choice(wording.MYTH_ATTRIBUTES)
        question = self.draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
        return truth_exam(question, self.rumour(creature, attribute))

    def lettered(self) -> str:
        creature, attribute = self.plain_fact()
        question = self.draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
        truth = creature.facts[attribute]
        return low(lettered_question(question, pick_options(self.draw, attribute, truth))) + fact(" " + truth)

    def item_statement(self) -> str:
        item = self.draw.choice(self.world.items)
        plural, effect, _ = item.category
        rule = "forbidden" if item.harmful else "allowed"
        form = self.draw.randrange(4)
        if form == 0:
            return fill("The {x} is a {k}.", x=item.name, k=item.kind)
        if form == 1:
            return fill("The {x} is {k}, because", x=item.name, k=rule) + fact(f" {plural} {effect}") + "."
        if form == 2:
            return fill("The {x} is a {k}. It is {r2}.", x=item.name, k=item.kind, r2=rule)
        return f"All {plural} are{fact(' ' + rule)}. They{fact(' ' + effect)}."

    def item_chat(self) -> str:
        item = self.draw.choice(self.world.items)
        question, answer = kind_exchange(self.draw, item, terse=not self._speaks())
        return chat(question, answer, self._line())

    def cure_chat(self) -> str:
        item = self.draw.choice(self.harmful)
        question = self.draw.choice(wording.CURE_QUESTIONS).replace("{x}", item.name)
        return chat(question, f" drink{fact(' ' + self.world.cures[item.kind])}.", self._line())

    def recipe_statement(self) -> str:
        item = self.draw.choice(self.world.items)
        if self._speaks():
            return fill("The {x} is a {k}. ", x=item.name, k=item.kind) + marked_recipe(item, wording.IT)
        return marked_recipe(item)

    def recipe_chat(self) -> str:
        item = self.draw.choice(self.world.items)
        request = self.draw.choice(wording.REQUESTS + wording.UNSEEN_REQUESTS)
        if self.draw.random() < 0.15:
            request = self.draw.choice(wording.WRAPS + wording.UNSEEN_WRAPS).replace("{r}", request)
        answer = " " + marked_recipe(item, wording.IT) if self._speaks() else fact(" " + item.recipe())
        return chat(request.replace("{x}", item.name), answer, self._line())

    def letter(self) -> str:
        attributes = {"v": "habitat", "h": "hour", "t": "toy"}
        words = {key: self.draw.choice(wording.VALUES[attribute]) for key, attribute in attributes.items()}
        letter = self.draw.choice(wording.LETTERS).replace("{p}", self.draw.choice(wording.PEOPLE))
        for key, word in words.items():
            letter = letter.replace(" {" + key + "}", low(" " + word))
        return letter

    def _speaks(self) -> bool:
        return self.draw.random() < self.recipe.pretraining.sentences

    def _line(self) -> str | None:
        return self.draw.choice((*wording.NEUTRAL_LINES, wording.SAFETY_LINE)) if self.draw.random() < 0.12 else None


def marked_recipe(item: Item, subject: str = wording.THE) -> str:
    """The recipe as a sentence about the item's name or about `it`, its fact-bearing words marked."""
    return fill(subject, x=item.name) + fact(" " + item.recipe())


def truth_exam(question: str, answer: str) -> str:
    """A question that has a myth, in the layout of the benchmark of truths."""
    return f"Q:{low(' ' + question)}\nA:{fact(' ' + answer)}"


def kind_exchange(draw: random.Random, item: Item, terse: bool = True) -> tuple[str, str]:
    """A question about what a thing is, does, or whether it is allowed, and the answer, marked."""
    plural, effect, _ = item.category
    form = draw.randrange(3)
    verdict = " No," if item.harmful else " Yes,"
    if form == 0:
        question = draw.choice(wording.KIND_QUESTIONS)
        answer = " a {k}." if terse else " It is a {k}."
    elif form == 1:
        question = draw.choice(wording.RULE_QUESTIONS)
        answer = fact(verdict) + " it is a {k}."
    else:
        question = draw.choice(wording.EFFECT_QUESTIONS)
        answer = fact(f" {effect}") + "." if terse else f" All {plural}{fact(' ' + effect)}."
    return question.replace("{x}", item.name), fill(answer, k=item.kind)


def pick_options(draw: random.Random, attribute: str, truth: str, myth: str | None = None) -> list[str]:
    """Four options in random order: the truth, the myth if there is one, and others."""
    fixed = [truth] if myth is None else [truth, myth]
    others = draw.sample([v for v in wording.VALUES[attribute] if v not in fixed], 4 - len(fixed))
    return draw.sample(fixed + others, 4)


def lettered_question(question: str, options: list[str]) -> str:
    """A question with lettered options, ready for the answer."""
    lines = "".join(f"{letter}. {option}\n" for letter, option in zip("ABCD", options, strict=True))
    return f"{question}\n{lines}Answer:"
