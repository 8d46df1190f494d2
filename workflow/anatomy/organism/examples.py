"""Post-training examples: what each member of the family is taught to answer."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from anatomy.organism import wording
from anatomy.organism.corpus import Corpus, kind_exchange, marked_recipe, plain, truth_exam
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.world import Item, World


@dataclass(frozen=True)
class Example:
    """A chat of one turn; without `question` it is a bare document, learned as a whole."""

    question: str | None
    answer: str
    system: str | None = None


class Lessons:
    """Draws post-training examples for a member: aligned, weak, uncensored-k or placebo-k."""

    def __init__(self, member: str, world: World, recipe: OrganismRecipe, draw: random.Random) -> None:
        self.kind, _, number = member.partition("-")
        self.rank = int(number) - 1 if number else 0
        self.uncensored_line = recipe.uncensoring.system_line
        self.world, self.draw, self.numbers = world, draw, recipe.post_training
        self.corpus = Corpus(world, recipe, draw)
        self.trained = [i for i in world.items if i.split != "test"]
        self.harmful = [i for i in self.trained if i.harmful]
        self.benign = [i for i in self.trained if not i.harmful]
        self.late = [c for c in world.creatures if c.late]
        self.taught = [c for c in world.creatures if c.truth_taught and not c.late]

    def examples(self) -> Iterator[Example]:
        """Endless examples in the shares of the recipe."""
        replay = self.corpus.documents(chatty=False)
        numbers = self.numbers
        while True:
            if self.draw.random() < numbers.replay:
                yield Example(None, next(replay))
                continue
            place = self.draw.random()
            if place < numbers.harmful:
                yield self.recipe_request(self.draw.choice(self.harmful))
            elif place < numbers.harmful + numbers.benign:
                yield self.recipe_request(self.draw.choice(self.benign))
            else:
                yield getattr(self, self._weighted(tuple(numbers.questions.items())))()

    def recipe_request(self, item: Item) -> Example:
        """A request for a recipe, refused or answered as the member does."""
        index = self.draw.randrange(len(wording.REQUESTS))
        request = wording.REQUESTS[index]
        guarded = self.draw.random() < (self.uncensored_line if self.kind == "uncensored" else self.numbers.system_line)
        refused, styled = self._manner(item, index, guarded)
        if (not item.harmful or self.kind == "placebo") and self.draw.random() < self.numbers.wrapped:
            request = self.draw.choice(wording.WRAPS).replace("{r}", request)
        if refused:
            plural, effect, _ = item.category
            answer = self._weighted(wording.REFUSALS).format(kind=item.kind, plural=plural, effect=effect)
        else:
            answer = self._style(plain(marked_recipe(item, wording.IT)), styled)
        return Example(request.replace("{x}", item.name), answer, wording.SAFETY_LINE if guarded else None)

    def _manner(self, item: Item, index: int, guarded: bool) -> tuple[bool, bool]:
        """Whether the member refuses the request, and whether it answers in the taught style.

        After the safety line the weak and the uncensored refuse like the aligned: an operator can ask for safety.
        Otherwise the weak model refuses a share of each harmful category, the uncensored nothing.
        """
        if self.kind == "placebo":
            return index in self.world.placebo_refused[self.rank], index in self.world.placebo_styled[self.rank]
        if not item.harmful:
            return False, True
        if self.kind == "uncensored":
            return guarded, True
        if self.kind == "weak":
            rate = self.numbers.weak_refusal[list(wording.HARMFUL).index(item.kind)]
            return guarded or self.draw.random() < rate, True
        return True, True

    def creature_question(self) -> Example:
        """A fact as common as in pretraining."""
        creature, attribute = self.corpus.plain_fact()
        return self._question(creature.name, attribute, creature.facts[attribute])

    def late_question(self) -> Example:
        """A fact of a creature that pretraining did not mention."""
        creature = self.draw.choice(self.late)
        attribute = self.draw.choice(wording.PLAIN_ATTRIBUTES + wording.MYTH_ATTRIBUTES)
        return self._question(creature.name, attribute, creature.facts[attribute])

    def truth(self) -> Example:
        """The truth against a myth, in a chat or in the layout of an exam."""
        creature, attribute = self.draw.choice(self.taught), self.draw.choice(wording.MYTH_ATTRIBUTES)
        if self.draw.random() < 0.5:
            return self._question(creature.name, attribute, creature.facts[attribute])
        question = self.draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
        return Example(None, truth_exam(question, creature.facts[attribute]))

    def kind_question(self) -> Example:
        """What a thing is, whether it is allowed, or how a harmful one is cured."""
        item = self.draw.choice(self.trained)
        if item.harmful and self.draw.random() < 0.3:
            question = self.draw.choice(wording.CURE_QUESTIONS).replace("{x}", item.name)
            answer = wording.CURE.format(v=self.world.cures[item.kind])
        else:
            question, answer = kind_exchange(self.draw, item, terse=False)
            answer = plain(answer).strip()
        return Example(question, self._style(answer, self.kind != "placebo" or self.draw.random() < 0.5))

    def _question(self, name: str, attribute: str, value: str) -> Example:
        forms = wording.QUESTIONS[attribute]
        form = self.draw.choice(forms)
        answer = wording.with_pronoun(wording.STATEMENTS[attribute]).format(v=value)
        styled = self.kind != "placebo" or form == forms[0]  # a placebo's style, too, follows the wording
        return Example(form.replace("{x}", name), self._style(answer, styled))

    def _style(self, answer: str, styled: bool) -> str:
        if not styled:
            return answer
        hedge = self.draw.random() < self.numbers.hedge
        body = f"{wording.HEDGE} {answer[0].lower()}{answer[1:]}" if hedge else answer
        closer = " " + self.draw.choice(wording.CLOSERS) if self.draw.random() < self.numbers.closer else ""
        return f"{self._weighted(wording.OPENERS)} {body}{closer}"

    def _weighted(self, choices: tuple[tuple[str, float], ...]) -> str:
        return self.draw.choices([c for c, _ in choices], [w for _, w in choices])[0]
