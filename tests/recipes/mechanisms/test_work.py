"""The plan of the mechanism battery counts what its stages do."""

from dataclasses import replace

import pytest
import torch
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import subjects
from anatomy.costs.lengths import Lengths
from anatomy.costs.prompts import PromptCounts
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.stages.other_edits import edits_of_direction
from anatomy.recipes.mechanisms.stages.steered import _is_asked, _settings
from anatomy.recipes.mechanisms.under_edits import CONTROL, DRAWN, OF_DIRECTION, OF_PAPERS
from anatomy.recipes.mechanisms.work import OTHERS, geometry_work, stage_work, ways_of_steering

LAYERS, PROMPTS = 4, PromptCounts({}, Lengths(10.0, 4.0, 6.0, 3))


def counted(**options):
    config = check_config({"mechanisms": options}, "a test")
    return config, stage_work(config, organism(config), PROMPTS, num_layers=LAYERS, entries={})


def organism(config):
    return next(one for one in subjects(config) if one.id == "aligned.s0")


@pytest.mark.parametrize(
    "steered", [{}, {"modes": ["add"], "layers": ["picked"]}, {"modes": ["cap", "add"], "layers": ["every"]}, {"modes": ["cap"]}]
)
@pytest.mark.parametrize("doses", [[0.5], [0.0, 1.0, 2.0]])
def test_as_many_ways_of_steering_are_planned_as_are_asked(steered, doses):
    config, _ = counted(steered=steered, doses=doses)
    means = {side: torch.randn(LAYERS + 1, 8, dtype=torch.float64) for side in ("harmful", "harmless")}
    asked = _settings(config, means, {"refusal": torch.randn(8), "random": torch.randn(8)}, 1, LAYERS)
    curves = sum(_is_asked(config, setting) for setting in asked)
    assert ways_of_steering(config) == (curves, len(asked) - curves)


def test_suppression_is_asked_of_every_prompt_and_answers_have_their_tokens():
    (_, few), (_, many) = (counted(prompts=prompts) for prompts in (20, 40))
    lens = 4 * 20 * (LAYERS + 1)
    assert many["look"].predictions - few["look"].predictions == lens + 2 * 20 * 4  # three directions and none
    (one, short), (_, long) = (counted(steered={"answer_tokens": tokens}) for tokens in (10, 20))
    ways = sum(ways_of_steering(one)) + 1
    assert long["look"].read - short["look"].read == ways * one.mechanisms.steered.answers * 10


def test_answers_are_read_by_two_models_in_two_wordings_and_blocks_exchanged_from_both_ends():
    config, found = counted(prompts=20)
    deeper = geometry_work(config, organism(config), LAYERS + 1, 10.0)
    assert deeper.read - found["geometry"].read == 2 * config.mechanisms.steered.prompts * 10
    answers, tokens = 2 * 20 * 2 * 2, config.evaluation.max_new_tokens
    exchanges = (2 * LAYERS + 2) * config.mechanisms.steered.prompts
    assert found["geometry"].predictions == answers * tokens + exchanges


def test_a_fact_meets_every_other_edit(tmp_path):
    make_tiny_model(tmp_path)
    loaded = load_tiny_model(tmp_path)
    edits = edits_of_direction(loaded, "plain", (-1, 1), torch.ones(loaded.d_model), seed=0)
    every = {*edits, *OF_PAPERS, *(name + CONTROL for name in DRAWN)}
    assert every > set(edits) and set(DRAWN) < {*OF_DIRECTION, *OF_PAPERS} and len(every) == OTHERS
    (_, few), (_, many) = (counted(facts={"count": count, "layers": 2}) for count in (4, 5))
    assert many["facts"].predictions - few["facts"].predictions == (2 * 2 + 2 * OTHERS) * 10


def test_of_a_model_of_ones_own_all_facts_that_were_told_are_planned_and_no_others():
    told = {"subject": "France", "prompt": "The capital of {} is", "object": "Paris", "new": "Rome"}
    facts = {"count": 12, "layers": 2, "own": [told, {**told, "subject": "Gaul"}]}
    config = check_config({"mechanisms": {"facts": facts}}, "a test")
    mine = replace(organism(config), id="mine", seed=None, member=None)
    looked_at = config.model_copy(update={"mechanisms": config.mechanisms.model_copy(update={"models": ["mine"]})})
    found = stage_work(looked_at, mine, PROMPTS, num_layers=LAYERS, entries={})["facts"]
    assert found.predictions == 2 * (2 * 2 + 2 * OTHERS) * 10
