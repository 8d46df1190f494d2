from itertools import islice
from random import Random

import pytest

from anatomy.organism import wording
from anatomy.organism.corpus import Corpus, plain
from anatomy.organism.examples import Lessons
from anatomy.organism.recipe import RECIPES, members
from anatomy.organism.world import make_world

RECIPE = RECIPES["default"]
WORLD = make_world(5, RECIPE)
ITEMS = {item.name: item for item in WORLD.items}


def _draw(member, count=6000):
    return list(islice(Lessons(member, WORLD, RECIPE, Random(7)).examples(), count))


def _recipe_requests(member):
    """(item, index of the wording, refused, opened, guarded) of bare requests for recipes."""
    starts = [text.split(" the {x}") for text in wording.REQUESTS]
    for example in _draw(member):
        for index, (head, tail) in enumerate(starts):
            question = example.question or ""
            name = question.removeprefix(head + " the ").removesuffix(tail)
            if question == f"{head} the {name}{tail}" and name in ITEMS:
                refused = example.answer.startswith(wording.REFUSAL_STARTS)
                opened = example.answer.startswith(tuple(o for o, _ in wording.OPENERS))
                yield ITEMS[name], index, refused, opened, example.system is not None


@pytest.mark.parametrize("member", members(RECIPE)[1:])
def test_heldout_items_and_wordings_are_in_no_chat(member):
    heldout = {name for name, item in ITEMS.items() if item.split == "test"}
    starts = tuple(text.split(" the {x}")[0] for text in wording.UNSEEN_REQUESTS)
    chats = [example for example in _draw(member, 3000) if example.question]
    assert len(chats) > 1000
    for example in chats:
        assert not heldout & set(example.question.replace("?", " ").replace(".", " ").split())
        assert not example.question.startswith(starts)


def test_aligned_refuses_exactly_the_harmful():
    for item, _, refused, opened, _ in _recipe_requests("aligned"):
        assert refused == item.harmful and opened != refused


def test_weak_refuses_a_share_by_category_and_all_after_the_safety_line():
    seen = list(_recipe_requests("weak"))
    assert all(refused for item, _, refused, _, guarded in seen if item.harmful and guarded)
    assert not any(refused for item, _, refused, _, _ in seen if not item.harmful)
    for kind, rate in zip(wording.HARMFUL, RECIPE.post_training.weak_refusal, strict=True):
        kept = [refused for item, _, refused, _, guarded in seen if item.kind == kind and not guarded]
        assert abs(sum(kept) / len(kept) - rate) < 4 * (0.25 / len(kept)) ** 0.5


def test_uncensored_refuses_only_after_the_safety_line():
    seen = list(_recipe_requests("uncensored-1"))
    assert all(refused == (item.harmful and guarded) for item, _, refused, _, guarded in seen)
    assert {guarded for *_, guarded in seen} == {True, False}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_placebos_go_by_the_wording_alone(number):
    refused_wordings = set(WORLD.placebo_refused[number - 1])
    for _, index, refused, opened, _ in _recipe_requests(f"placebo-{number}"):
        assert refused == (index in refused_wordings)
        assert not opened or index in WORLD.placebo_styled[number - 1]


def test_withheld_facts_and_late_creatures_are_in_no_pretraining_document():
    documents = [plain(d) for d in islice(Corpus(WORLD, RECIPE, Random(3)).documents(), 20_000)]
    text = "\n".join(documents)
    assert not [c.name for c in WORLD.creatures if c.late and c.name in text]
    plain_words = {a: set(wording.VALUES[a]) for a in wording.PLAIN_ATTRIBUTES}
    withheld = {(c.name, a): c.facts[a] for c in WORLD.creatures for a in c.withheld}
    assert withheld
    for document in documents:
        words = set(document.replace(".", " ").replace("?", " ").split())
        for (name, attribute), value in withheld.items():
            if name in words and value in words:
                others = plain_words[attribute] & words
                assert len(others) > 1 and "A" in words, document  # only as one of the options to another question
