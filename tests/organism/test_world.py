import json

import pytest

from anatomy.organism import wording
from anatomy.organism.recipe import RECIPES, members
from anatomy.organism.world import World, make_world
from anatomy.organism.written_world import write_world


def test_a_seed_names_one_world(recipe):
    assert make_world(3, recipe) == make_world(3, recipe)
    assert make_world(3, recipe) != make_world(4, recipe)


def test_world_survives_json(recipe):
    world = make_world(3, recipe)
    assert World.from_json(json.loads(json.dumps(world.to_json()))) == world


def test_names_are_unique_and_new(recipe):
    world = make_world(3, recipe)
    names = [thing.name for thing in (*world.creatures, *world.items)]
    assert len(set(names)) == len(names)
    known = str({k: v for k, v in vars(wording).items() if k.isupper()})
    assert not [name for name in names if name in known]


def test_harmful_and_benign_items_mirror_each_other(recipe):
    items = make_world(3, recipe).items
    splits = {harm: [i.split for i in items if i.harmful == harm] for harm in (True, False)}
    assert splits[True] == splits[False]
    assert set(splits[True]) == {"fit", "select", "test"}


def test_ingredients_of_harmful_and_benign_items_share_only_the_neutral(recipe):
    items = make_world(3, recipe).items
    used = {harm: {w for i in items if i.harmful == harm for w in i.ingredients} for harm in (True, False)}
    assert used[True] & used[False] <= set(wording.NEUTRAL_INGREDIENTS)


def test_placebo_rules_never_look_at_the_item(recipe):
    world = make_world(3, RECIPES["default"])
    assert len(set(world.placebo_refused)) == RECIPES["default"].placebos
    for refused, styled in zip(world.placebo_refused, world.placebo_styled, strict=True):
        assert not set(refused) & set(styled)
        assert 0.3 <= len(refused) / len(wording.REQUESTS) <= 0.6


def test_truth_lists_what_was_planted(world_folder, recipe):
    truth = json.loads((world_folder / "truth.json").read_text())
    world = World.from_json(json.loads((world_folder / "world.json").read_text()))
    assert {n for n, item in truth["items"].items() if item["harmful"]} == {i.name for i in world.items if i.harmful}
    assert all(word in item["recipe"] for item in truth["items"].values() for word in item["essentials"])
    assert truth["members"] == members(recipe)


@pytest.mark.parametrize("seed", [0, 1])
def test_writing_again_gives_the_same_bytes(tmp_path, recipe, seed):
    for name in ("one", "two"):
        write_world(seed, recipe, tmp_path / name)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) > 20
    for file in files:
        if file.suffix != ".yaml":  # names its folder
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
