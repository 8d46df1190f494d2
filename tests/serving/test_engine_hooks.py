"""Interventions in the engine against transformers: every kind, site and position, many states in one batch, no shared keys."""

import pytest
import torch
from intervention_grid import intervention, states, tie

from anatomy.errors import ConfigError, EditError
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.serving.completions import Request, in_order, stream
from anatomy.serving.decoding import Decoding, request_seed
from anatomy.serving.engine_hooks import require_hooks, run_with_hooks, stream_with_hooks
from anatomy.serving.hooks import batch as batches
from anatomy.serving.hooks.states import States
from anatomy.serving.transformers_generation import stream_with_transformers

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=16, temperature=0.0)
D_MODEL, LAYERS = 64, 4


def hooked(engine, requests, decoding=GREEDY, shard_size=256):
    return in_order(stream_with_hooks(engine, requests, decoding, shard_size), len(requests))


def plain(engine, prompts, decoding=GREEDY):
    return in_order(stream(engine, [Request(ids) for ids in prompts], decoding, 256), len(prompts))


def reference(base, requests, decoding=GREEDY):
    return in_order(stream_with_transformers(base, requests, decoding, batch_size=16), len(requests))


def assert_same(base, requests, found, expected) -> int:
    """Equal token by token up to a tie; returns how many are equal to the end."""
    for request, one, other in zip(requests, found, expected, strict=True):
        assert tie(base, request, one.token_ids, other.token_ids), request.interventions
    return sum(one == other for one, other in zip(found, expected, strict=True))


@pytest.fixture(scope="module")
def mixed(prompts):
    """Every state and none on every prompt, in an order that mixes them."""
    asked = [(), *states(D_MODEL, LAYERS)]
    return [
        Request(ids, interventions=asked[(row + column) % len(asked)])
        for row in range(len(asked))
        for column, ids in enumerate(prompts)
    ]


@pytest.fixture
def passes(monkeypatch):
    """The batches of tokens that hooks saw."""
    seen, begin = [], batches.EngineBatch.__init__

    def recorded(self, runner, width):
        begin(self, runner, width)
        seen.append(self)

    monkeypatch.setattr(batches.EngineBatch, "__init__", recorded)
    return seen


def test_mixed_states_in_one_batch_write_what_transformers_writes(engine, base, mixed, prompts, passes):
    before = plain(engine, prompts)
    found = hooked(engine, mixed)
    assert assert_same(base, mixed, found, reference(base, mixed)) >= len(mixed) - 4
    assert any(len(set(one.states)) > 8 for one in passes), "states must have shared a pass"
    starts = [first for one in passes for first in one.positions[1:][one.positions[1:] != one.positions[:-1] + 1]]
    assert any(0 < first < 300 and first % 32 for first in starts), "a prompt must have been split over passes"
    unhooked = {tuple(ids): one for ids, one in zip(prompts, before, strict=True)}
    shown: dict[int, int] = {}
    for request, one in zip(mixed, found, strict=True):
        same = one.token_ids == unhooked[tuple(request.token_ids)].token_ids
        assert same or request.interventions, "a request without interventions must write what base writes"
        shown[id(request.interventions)] = shown.get(id(request.interventions), 0) + (not same)
    assert sorted(shown.values())[1] > 0, "every state but none must show"
    assert plain(engine, prompts) == before


def test_a_state_alone_writes_what_it_writes_in_company(engine, mixed):
    together = hooked(engine, mixed)
    own = [place for place, request in enumerate(mixed) if request.interventions is mixed[15].interventions]
    assert hooked(engine, [mixed[place] for place in own], shard_size=3) == [together[place] for place in own]


def test_no_hook_is_left_behind(engine, prompts):
    module = engine.runner().model
    count = sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in module.modules())
    stopped = stream_with_hooks(
        engine, [Request(ids, interventions=(intervention("ablate", D_MODEL, (1,)),)) for ids in prompts], GREEDY, 4
    )
    next(stopped)  # a caller may use the engine between two shards
    assert sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in module.modules()) == count
    stopped.close()


def beginnings(seed: int, blocks: int) -> list[list[int]]:
    """Beginnings of one text that end at, before and behind the end of a cache block of 32 tokens."""
    drawn = torch.randint(6, 390, (32 * blocks + 40,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [drawn[: 32 * blocks], drawn[: 32 * blocks - 1], drawn[: 32 * blocks + 10], drawn]


@pytest.mark.parametrize("salted", [True, False])
def test_states_share_no_cached_keys(engine, base, monkeypatch, salted):
    """Without a salt the second state of a long prompt is answered from the keys of the first: this test can fail."""
    if not salted:
        monkeypatch.setattr(States, "salt", lambda *_: "one for all, of this test")
    ablations = [(intervention("ablate", D_MODEL, (0, 1, 2, 3), seed=seed),) for seed in (3, 4)]
    requests = [Request(ids, interventions=own) for own in ablations for ids in beginnings(8, blocks=10)]
    found = hooked(engine, requests, shard_size=1)
    expected = reference(base, requests)
    if salted:
        assert assert_same(base, requests, found, expected) >= 6
    else:
        assert sum(one != other for one, other in zip(found[4:], expected[4:], strict=True)) >= 2


@pytest.mark.parametrize("by_length", [True, False])
def test_a_changed_last_token_is_not_reused_inside_a_longer_prompt(engine, base, monkeypatch, by_length):
    """32 tokens fill a block: the changed last token lies in a cached block that longer prompts begin with."""
    from vllm import SamplingParams

    if not by_length:
        monkeypatch.setattr(States, "salt", lambda *_: "of the state alone")
    own = (intervention("add", D_MODEL, (0, 1), positions="last_prompt", seed=5, scale=40.0),)
    errors = []
    for ids in beginnings(9, blocks=1):
        (found,) = run_with_hooks(engine, [ids], [SamplingParams(max_tokens=1, temperature=0.0, logprobs=1)], [own])
        with torch.inference_mode(), intervening(base.model, own):
            logprobs = base.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        token = found.outputs[0].token_ids[0]
        errors.append(abs(found.outputs[0].logprobs[0][token].logprob - logprobs[token].item()))
    if by_length:
        assert max(errors) < 1e-4
    else:
        assert errors[0] < 1e-4 < 1e-3 < max(errors[2:])


def test_a_state_is_named_by_its_content():
    one, twin = (intervention("clamp", 8, (0, 1), seed=2) for _ in range(2))
    others = [
        intervention("clamp", 8, (0, 1), seed=3),
        intervention("clamp", 8, (1, 2), seed=2),
        intervention("clamp", 8, (0, 1), seed=2, scale=2.0),
        intervention("ablate", 8, (0, 1), seed=2),
        intervention("clamp", 8, (0, 1), seed=2, positions="generated"),
        intervention("clamp", 8, (0, 1), seed=2, sites=("block_input",)),
        Intervention("clamp", one.layers, one.vectors, one.targets + 1, 1.0, one.sites, "all"),
    ]
    found = States([(one,), (), (twin,), *((other,) for other in others), (one, twin), (twin, one)])
    assert found.of_request == [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    salts = [found.salt(place, 10) for place in range(len(found.of_request))]
    assert salts[1] is None and len(set(salts)) == 10
    assert found.salt(0, 11) == salts[0] and found.salt(7, 11) != salts[7]


def test_samples_follow_their_seed(engine, prompts):
    decoding = Decoding(max_new_tokens=12, temperature=1.0, top_p=0.95)
    ablation = (intervention("ablate", D_MODEL, (0, 1, 2, 3), seed=6),)
    requests = [
        Request(ids, request_seed(0, f"prompt-{row}", 0), interventions=own)
        for row, ids in enumerate(prompts)
        for own in ((), ablation)
    ]
    found = hooked(engine, requests, decoding)
    assert hooked(engine, requests[::-1], decoding, shard_size=3)[::-1] == found
    unhooked = in_order(stream(engine, requests[::2], decoding, 256), len(prompts))
    assert found[::2] == unhooked and sum(one != other for one, other in zip(found[1::2], unhooked, strict=True)) >= 8
    with pytest.raises(ConfigError, match="without a seed"):
        hooked(engine, [Request(prompts[0], interventions=ablation)], decoding)


def test_refuses_what_it_cannot_hook(engine, prompts, tmp_path, monkeypatch):
    own = (intervention("ablate", D_MODEL, (1,)),)
    with pytest.raises(ConfigError, match="an adapter beside interventions"):
        hooked(engine, [Request(prompts[0], adapter=tmp_path, interventions=own)])
    with pytest.raises(ConfigError, match="use stream_with_hooks"):
        list(stream(engine, [Request(prompts[0], interventions=own)], GREEDY, 1))
    for wrong in (intervention("ablate", D_MODEL, (1, 4)), intervention("ablate", 32, (1,))):
        with pytest.raises(EditError, match="layers 0 to 3 and 64 dimensions"):
            run_with_hooks(engine, prompts[:1], [None], [(wrong,)])
    settings = engine.runner().model_config
    monkeypatch.setattr(settings, "enforce_eager", False)
    with pytest.raises(ConfigError, match="hooks=True"):
        require_hooks(engine)
    monkeypatch.setattr(settings.hf_config, "model_type", "cohere")
    with pytest.raises(ConfigError, match="type 'cohere' in vLLM"):
        require_hooks(engine)
