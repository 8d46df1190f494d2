"""What recipes ask of stages."""

from importlib import import_module

import pytest

from anatomy.config.study import organism_subject, subjects
from anatomy.errors import ConfigError
from anatomy.recipes.asked_variants import asked_in_memory, engine_variants
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.pairs import pairs, relatives, roles
from anatomy.recipes.pasta.recipe import RECIPE
from anatomy.recipes.registry import built_in, recipe
from anatomy.recipes.rosi.variants import variants_on_select, variants_on_test

CONFIG = Config()
KNOWN = {subject.id: subject for subject in subjects(CONFIG)}
SIGNATURE = {"layers": 6, "domains": ["recipes", "stories"], "contrasts": ["null", "same_text"]}
FOUND = {
    "layer": 3,
    "layers": {"binoculars": 3, "ngrams": 5},
    "depth": 6,
    "contrasts": ["null", "same_text"],
    "domain_order": ["recipes", "stories"],
    "domains": {"recipes": 2},
    "operating": None,
}


def asked(model, phase, found=None):
    return asked_in_memory(CONFIG, RECIPE, KNOWN[model], phase, found or {})


@pytest.mark.parametrize(("phase", "own"), [("select", variants_on_select), ("test", variants_on_test)])
@pytest.mark.parametrize("recipes", [["rosi"], ["rosi", "pasta"]])
def test_another_recipe_leaves_what_rosi_asks_as_it_is(phase, own, recipes):
    config = CONFIG.model_copy(update={"recipes": recipes})
    assert engine_variants(config, KNOWN["weak.s0"], phase) == own(CONFIG, KNOWN["weak.s0"])


def test_pairs_follow_the_members_that_a_run_grows():
    assert [pair.aligned for pair in pairs(CONFIG)] == ["aligned.s0", "placebo-1.s0"]
    assert {subject.id for subject in relatives(CONFIG)} == {"base.s101", "aligned.s101"}
    few = Config.model_validate(
        {"organism": {"members": ["base", "aligned"]}, "selection": {"headline": ["aligned"]}, "rosi": {"headline": ["aligned"]}}
    )
    assert [pair.aligned for pair in pairs(few)] == ["aligned.s0"]
    assert roles(CONFIG, "base.s0") == {"base"}
    assert roles(CONFIG, "base.s101") == {"null"}
    assert roles(CONFIG, "aligned.s101") == {"scorer"}


def test_a_family_is_not_scored_by_itself():
    with pytest.raises(ValueError, match="scorers_seed"):
        Config.model_validate({"seeds": [0, 101]})


def test_each_side_of_a_pair_is_asked_in_its_own_manner_and_in_its_partners():
    assert {(one.variant.role, one.manner) for one in asked("base.s0", "fit")} == {("base", "document"), ("control", "chat")}
    assert {(one.variant.role, one.manner) for one in asked("aligned.s0", "fit")} == {("base", "chat"), ("control", "document")}


@pytest.mark.parametrize(("phase", "found"), [("fit", {}), ("select", SIGNATURE), ("test", FOUND)])
def test_variants_have_names_of_their_own(phase, found):
    names = [one.variant.id for one in asked("aligned.s0", phase, found)]
    assert len(names) == len(set(names))


def of(wanted, role, family):
    return [one for one in wanted if (one.variant.role, one.variant.family) == (role, family)]


def test_the_sweep_tries_every_layer_but_the_embedding_once():
    swept = of(asked("aligned.s0", "select", SIGNATURE), "method", "sweep")
    assert [one.edits[0]["direction"]["layer"] for one in swept] == [1, 2, 3, 4, 5, 6]
    assert all(one.edits[0]["strength"] == 1.0 and one.edits[0]["positions"] == "all" for one in swept)


def test_controls_of_the_test_stand_at_the_layer_of_the_pick():
    wanted = of(asked("aligned.s0", "test", FOUND), "control", "pasta")
    assert {one.edits[0]["direction"]["layer"] for one in wanted} == {3}
    families = {one.variant.control for one in wanted}
    assert families == {"orthogonal", "equal_variance", "principal", "halves", "null", "same_text"}


def test_a_model_outside_every_pair_is_refused():
    with pytest.raises(ConfigError, match="a model that pasta studies"):
        asked("weak.s0", "fit")


def test_other_seeds_have_the_same_kinds_of_member():
    assert organism_subject(CONFIG, "base", 101).kind == "base"


@pytest.mark.parametrize("name", sorted(built_in()))
def test_every_table_that_a_paper_has_a_title_for_is_written(name):
    paper = recipe(name)
    titles = getattr(import_module(paper.report), "TITLES", None)
    assert titles is None or set(titles) == set(paper.tables)
