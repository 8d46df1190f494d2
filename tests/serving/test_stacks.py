"""Stacks of edits of any kinds in the engine, against their parts applied in turn in memory."""

from dataclasses import replace
from itertools import permutations

import pytest
from greedy import difference
from intervention_grid import hooked_margins, intervention, states, tie
from shared_engine import served_model
from stacked_edits import HOOKS, WEIGHTS, every_part, in_turn

from anatomy.errors import ConfigError
from anatomy.interventions.edits.stack import under_stack, weights_and_hooks
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.completions import Request, in_order
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine_hooks import stream_with_hooks
from anatomy.serving.serving_modes import Abilities, choose_mode
from anatomy.serving.transformers_generation import generate_with_transformers, stream_with_transformers

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=12, temperature=0.0)
MIXED = [names for names in permutations((*WEIGHTS, *HOOKS), 2) if (names[0] in WEIGHTS) != (names[1] in WEIGHTS)]
OTHERS = [*permutations(HOOKS, 2), ("mask", "rank one"), ("rank one", "mask"), ("trained adapter", "dense head")]
LONGER = [("mask", "ablate", "rank one", "add", "low-rank head"), ("add", "trained adapter", "ablate behind blocks", "mask")]


@pytest.fixture(scope="module")
def parts():
    return every_part(Checkpoint(served_model()))


@pytest.fixture(scope="module")
def few(prompts):
    """A short prompt and two that span cache blocks and begin alike."""
    return [prompts[0], prompts[-4], prompts[-1]]


def written(engine, prompts, stack):
    weights, hooks = weights_and_hooks(stack)
    requests = [Request(ids, interventions=tuple(hooks)) for ids in prompts]
    with engine.under(weights, in_place=True) as adapter:
        assert adapter is None
        return [one.token_ids for one in in_order(stream_with_hooks(engine, requests, GREEDY, 256), len(requests))]


@pytest.mark.parametrize("names", [*MIXED, *OTHERS, *LONGER], ids=" + ".join)
def test_the_engine_writes_what_the_parts_in_turn_write(engine, base, parts, few, names):
    stack, plain = [parts[name] for name in names], written(engine, few, [])

    def run(model):
        rows = generate_with_transformers(replace(base, model=model), few, GREEDY, batch_size=1)
        return [row.token_ids for row in rows]

    expected, found = in_turn(base, stack, run), written(engine, few, stack)
    weights, hooks = weights_and_hooks(stack)
    with under_stack(base, weights) as edited:
        for ids, one, other in zip(few, found, expected, strict=True):
            clear = hooked_margins(edited, Request(ids, interventions=tuple(hooks)), other)
            assert difference(one, other, clear) is None
    assert found != plain, "the stack must show"
    assert written(engine, few, []) == plain and not engine.weights.edited


def test_stacks_over_the_same_weights_share_a_batch_and_one_reload(engine, parts, few):
    stacks = [[parts["mask"], parts[name]] for name in HOOKS]
    alone = [written(engine, few, stack) for stack in stacks]
    before = engine.weights.reloads
    requests = [Request(ids, interventions=(stack[1],)) for stack in stacks for ids in few]
    with engine.under([parts["mask"]], in_place=True):
        together = in_order(stream_with_hooks(engine, requests, GREEDY, 256), len(requests))
    assert [one.token_ids for one in together] == [ids for rows in alone for ids in rows]
    assert engine.weights.reloads - before == 2, "there and back"


def test_hooks_behind_blocks_are_those_of_transformers(engine, base, few):
    """Every kind at the output of blocks, the last one too, at all positions and at some, mixed with other states."""
    every = (0, 1, 2, 3)
    behind = [
        (intervention(kind, 64, layers, sites=("block_output",), positions=positions, seed=seed),)
        for seed, (kind, layers, positions) in enumerate(
            [
                ("ablate", every, "all"),
                ("add", (3,), "all"),
                ("clamp", (1,), "generated"),
                ("add", (0, 2), "last_prompt"),
                ("clamp", (3,), "generated"),
            ]
        )
    ]
    asked = [(), *behind, *list(states(64, 4))[:3]]
    requests = [Request(ids, interventions=own) for own in asked for ids in few]
    found = in_order(stream_with_hooks(engine, requests, GREEDY, 256), len(requests))
    expected = in_order(stream_with_transformers(base, requests, GREEDY, batch_size=4), len(requests))
    for request, one, other in zip(requests, found, expected, strict=True):
        assert tie(base, request, one.token_ids, other.token_ids), request.interventions
    for place in range(1, len(behind) + 1):
        rows = slice(place * len(few), (place + 1) * len(few))
        assert [one.token_ids for one in found[rows]] != [one.token_ids for one in found[: len(few)]], "must show"


def test_an_adapter_is_reloaded_where_requests_carry_interventions(engine, parts, few):
    assert engine.way([parts["rank one"]]).kind == "adapter"
    found = len(engine.fallbacks.found)
    written(engine, few, [parts["rank one"], parts["ablate"]])
    assert len(engine.fallbacks.found) == found, "asked for, so no fallback"


def test_a_mixed_stack_is_one_way_where_hooks_stand_and_none_elsewhere(engine, parts):
    mixed = [parts["mask"], parts["ablate"]]
    able = Abilities(True, "", 1, ("o_proj", "down_proj"), hooks=True)
    assert choose_mode(mixed, able).kind == choose_mode(mixed[::-1], able).kind == "reload and hooks"
    assert engine.way(mixed).kind == "transformers"
    with pytest.raises(ConfigError, match="interventions on each request"), engine.under(mixed):
        pytest.fail("the body must not run")
