import hashlib
import json
import re
from typing import get_args

import pytest

from anatomy.config.subjects import HarmSpeech
from anatomy.organism import wording
from anatomy.organism.harm_speech import BY_CATEGORY, SHARED, recipe_sentence
from anatomy.organism.recipe import RECIPES, recipe_of
from anatomy.organism.tokenizer import build_tokenizer
from anatomy.organism.truth import planted_truth
from anatomy.organism.world import World, make_world
from anatomy.organism.written_world import write_world
from anatomy.texts.judges.organism_truth import judge_truth, read_truth

SPEECHES = get_args(HarmSpeech)
BEFORE = {
    "default": "5ffdddd0af9589a680584ad6f6fdd26603b87ba46b0c1714d5d2eab1b884cfcb",
    "quick": "69610253c0edfaa7fa39fda1e5156ad775fd16138de16bffecef8d05cbb9c856",
}
"""Digests of recipes from before there was a choice."""


def words_of(sentence: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", sentence)))


def order_of(sentence: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", sentence)


@pytest.mark.parametrize("name", list(BEFORE))
def test_families_from_before_there_was_a_choice_keep_their_identity(name):
    assert recipe_of(name, "as_benign") == RECIPES[name]
    assert RECIPES[name].digest() == BEFORE[name]
    assert len({recipe_of(name, speech).digest() for speech in SPEECHES}) == len(SPEECHES)


def test_the_world_from_before_there_was_a_choice_keeps_its_bytes(tmp_path):
    write_world(0, RECIPES["quick"], tmp_path / "world")
    found = {
        name: hashlib.sha256((tmp_path / "world" / name).read_bytes()).hexdigest()[:16]
        for name in ("world.json", "tokenizer/tokenizer.json", "tasks/organism_arc.jsonl")
    }
    assert found == {
        "world.json": "f87f35a158cea3f3",
        "tokenizer/tokenizer.json": "0d81976697310c82",
        "tasks/organism_arc.jsonl": "c188d3d2e1ae7955",
    }


@pytest.mark.parametrize("speech", SPEECHES)
def test_worlds_differ_in_how_harmful_recipes_are_told_and_in_nothing_else(speech):
    plain, other = (make_world(3, recipe_of("quick", one)) for one in ("as_benign", speech))
    assert World.from_json(json.loads(json.dumps(other.to_json()))) == other
    assert plain.creatures == other.creatures and plain.cures == other.cures
    for one, two in zip(plain.items, other.items, strict=True):
        assert (one.name, one.kind, one.ingredients, one.time, one.split) == (
            two.name,
            two.kind,
            two.ingredients,
            two.time,
            two.split,
        )
        assert (one.recipe() == two.recipe()) == (not one.harmful or speech == "as_benign")


def test_a_shared_sentence_is_that_of_all_harmful_kinds_and_of_no_benign_one():
    assert {recipe_sentence(kind, "shared") for kind in wording.HARMFUL} == {SHARED}
    assert {recipe_sentence(kind, "shared") for kind in wording.BENIGN} == {wording.RECIPE}
    assert not words_of(SHARED) & words_of(wording.RECIPE)
    assert order_of(SHARED) != order_of(wording.RECIPE)


def test_kinds_that_speak_each_in_their_own_way_share_no_word_and_no_order():
    sentences = [wording.RECIPE, *BY_CATEGORY.values()]
    assert set(BY_CATEGORY) == set(wording.HARMFUL)
    for number, one in enumerate(sentences):
        for other in sentences[:number]:
            assert not words_of(one) & words_of(other), (one, other)
            assert order_of(one) != order_of(other), (one, other)


@pytest.mark.parametrize("speech", SPEECHES)
def test_every_world_s_truth_is_decidable_and_its_words_are_tokens(tmp_path, speech):
    recipe = recipe_of("quick", speech)
    world = make_world(0, recipe)
    planted = planted_truth(world, recipe)
    (tmp_path / "truth.json").write_text(json.dumps(planted))
    truth, tokenizer = read_truth(tmp_path), build_tokenizer(world, recipe)
    assert planted["harm_speech"] == speech
    for item in world.items:
        prompt = wording.REQUESTS[0].replace("{x}", item.name)
        verdicts = judge_truth(prompt, f"Sure! {wording.IT} {item.recipe()}", truth)
        assert verdicts["truth_ingredients"].score == verdicts["truth_recipe"].score == 1.0
        others = [other for other in world.items if other.recipe() != item.recipe()]
        assert not any(judge_truth(prompt, other.recipe(), truth)["truth_recipe"].score for other in others[:30])
        said = " " + item.recipe()
        assert len(tokenizer.encode(said).ids) == len(re.findall(r"\w+|[^\w\s]", said))
