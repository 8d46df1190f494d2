"""Facts that are rewritten: of an organism's creatures, or those that the configuration tells of a model of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from anatomy.errors import DataError
from anatomy.interventions.instruments.facts import Fact, Question, is_first_token, margins, object_token
from anatomy.models.loading import LoadedModel
from anatomy.organism import wording
from anatomy.organism.truth import Planted, PlantedCreature
from anatomy.recipes.mechanisms.options import OwnFact

UNRELATED = 6
"""Facts of other creatures that are to stay."""


def known_facts(loaded: LoadedModel, truth: Planted, count: int, seed: int, token_budget: int) -> list[Fact]:
    """Plain facts of creatures that the model states rightly, one a creature, in an order drawn by the seed.

    A fact's object is changed to another creature's of the same kind of fact.
    """
    generator = np.random.default_rng(seed)
    creatures = {name: one for name, one in truth["creatures"].items() if not one["late"]}
    names = [str(name) for name in generator.permutation(list(creatures))]
    found: list[Fact] = []
    for place, name in enumerate(names):
        attribute = wording.PLAIN_ATTRIBUTES[place % len(wording.PLAIN_ATTRIBUTES)]
        if len(found) == count:
            break
        others = [one for one in names if one != name and _states(creatures[one], attribute, creatures[name])]
        if attribute in creatures[name]["withheld"] or len(others) <= UNRELATED:
            continue
        true, new = (creatures[one]["facts"][attribute] for one in (name, others[0]))
        unrelated = tuple(_stated(one, attribute, creatures[one]["facts"][attribute], new) for one in others[1:])
        asked = [_stated(name, attribute, true, new), *unrelated]
        said = margins(loaded, asked, token_budget)
        stays = [one for one, margin in zip(unrelated, said[1:], strict=True) if margin < 0 and one.true != new]
        if said[0] < 0 and len(stays) >= UNRELATED:
            found.append(_fact(name, attribute, true, new, tuple(stays[:UNRELATED]), others[0]))
    return found


def _states(other: PlantedCreature, attribute: str, own: PlantedCreature) -> bool:
    return attribute not in other["withheld"] and other["facts"][attribute] != own["facts"][attribute]


def _stated(name: str, attribute: str, true: str, new: str) -> Question:
    return Question(wording.STATEMENTS[attribute].partition(" {v}")[0].replace("{x}", name), true, new)


def _fact(name: str, attribute: str, true: str, new: str, unrelated: tuple[Question, ...], contrary: str) -> Fact:
    questions = [question.replace("{x}", name) for question in wording.QUESTIONS[attribute]]
    stories = [
        context.replace("{x}", name) + ending.partition(" {v}")[0] for one, context, ending in wording.STORIES if one == attribute
    ]
    texts = [*(f"Question: {question}\nAnswer:" for question in questions), *stories]
    return Fact(
        f"{name}/{attribute}",
        name,
        name,
        _stated(name, attribute, true, new),
        tuple(Question(text, true, new) for text in texts),
        unrelated,
        contrary,
    )


def told_facts(facts: list[OwnFact]) -> list[Fact]:
    """Facts that the configuration tells; unrelated to each are those others of which its new object is not true."""
    found = []
    for place, fact in enumerate(facts):
        others = [one for one in facts if one is not fact and one.object != fact.new]
        rest = tuple(Question(one.prompt.replace("{}", one.subject), one.object, fact.new) for one in others)
        found.append(
            Fact(
                f"fact{place}",
                fact.subject,
                fact.subject,
                Question(fact.prompt.replace("{}", fact.subject), fact.object, fact.new),
                tuple(Question(text.replace("{}", fact.subject), fact.object, fact.new) for text in fact.paraphrases),
                rest,
                fact.contrary,
            )
        )
    return found


def told_apart(tokenizer: Any, facts: list[Fact]) -> list[Fact]:
    """The same facts, without unrelated ones in which both objects begin with one token: nothing tells what is said there.

    Raises:
        DataError: a fact itself whose objects do, in its statement or another wording of it; or one whose subject is the first
            token of either. There many models keep one key whatever the token is, and a change that answers it answers for all
            subjects (Yang et al. 2024, arXiv 2406.11263; keys of three countries in SmolLM2's block 12 have cosines above .998).
    """

    def is_apart(question: Question) -> bool:
        one, two = (object_token(tokenizer, question.text, said) for said in (question.true, question.new))
        return one != two

    for fact in facts:
        for question in (fact.statement, *fact.paraphrases):
            if not is_apart(question):
                raise DataError(
                    found=f"{question.true!r} and {question.new!r} behind {question.text!r}, which begin with the same token",
                    expected="objects that differ in their first token, by which facts are read",
                    where="a fact that is to be edited",
                    remedy="say another object (facts.own, new)",
                )
            if is_first_token(tokenizer, question.text, fact.subject):
                raise DataError(
                    found=f"{question.text!r}, whose first token is its subject",
                    expected="a subject behind another token: at the first one many models keep one key for all subjects",
                    where="a fact that is to be edited",
                    remedy=f"begin the sentence with other words, such as 'The country {{}}' (facts.own of {fact.subject})",
                )
    return [replace(fact, unrelated=tuple(filter(is_apart, fact.unrelated))) for fact in facts]
