"""Generation with transformers: batches and padding change nothing, hooks act, samples follow their seed."""

from contextlib import contextmanager

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.errors import ConfigError, DataError
from anatomy.models.loading import load_model
from anatomy.serving.completions import Request
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers, left_padded, stream_with_transformers

GREEDY = Decoding(max_new_tokens=12, temperature=0.0)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    torch.set_num_threads(1)
    return load_model(make_tiny_model(tmp_path_factory.mktemp("tiny"), seed=5), torch.float32, "cpu")


@pytest.fixture(scope="module")
def prompts():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(6, 390, (length,), generator=generator).tolist() for length in (3, 40, 12, 70, 3, 25)]


def without_cache(loaded, ids: list[int]) -> list[int]:
    """Greedy decoding as a textbook has it: one full forward pass a token."""
    written = []
    with torch.inference_mode():
        while len(written) < GREEDY.max_new_tokens and (not written or written[-1] != loaded.tokenizer.eos_token_id):
            written.append(int(loaded.model(torch.tensor([ids + written])).logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_equals_decoding_without_cache_or_padding(loaded, prompts, batch_size):
    found = generate_with_transformers(loaded, prompts, GREEDY, batch_size=batch_size)
    assert [one.token_ids for one in found] == [without_cache(loaded, ids) for ids in prompts]


def test_a_prompt_too_long_for_the_model_is_refused_before_the_first_answer(loaded, prompts):
    """It would stand in the last batch, after answers that cost an hour."""
    room = loaded.model.config.max_position_embeddings - GREEDY.max_new_tokens
    fits, too_long = ([Request(ids) for ids in [*prompts, [7] * length]] for length in (room, room + 1))
    shards = stream_with_transformers(loaded, too_long, GREEDY, batch_size=1)
    with pytest.raises(DataError, match=f"1 of 7 prompts too long; the longest has {room + 1} tokens"):
        next(shards)
    assert len(next(stream_with_transformers(loaded, fits, GREEDY, batch_size=7))[0]) == 7


def test_end_token_stops_one_prompt_and_not_its_neighbours(loaded, prompts, monkeypatch):
    free = generate_with_transformers(loaded, prompts, GREEDY, batch_size=6)
    end = free[0].token_ids[4]
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", [end])
    found = generate_with_transformers(loaded, prompts, GREEDY, batch_size=6)
    for one, whole in zip(found, free, strict=True):
        ends = whole.token_ids.index(end) + 1 if end in whole.token_ids else None
        assert one.token_ids == whole.token_ids[:ends]
        assert one.finish_reason == ("stop" if ends else whole.finish_reason)
    assert found[0].finish_reason == "stop"


def test_intervention_surrounds_all_batches(loaded, prompts):
    entered = []

    @contextmanager
    def zero_last_block():
        entered.append(True)
        handle = loaded.model.model.layers[-1].mlp.register_forward_hook(lambda *_: torch.zeros_like(_[2]))
        yield
        handle.remove()

    plain = generate_with_transformers(loaded, prompts, GREEDY, batch_size=2)
    changed = generate_with_transformers(loaded, prompts, GREEDY, batch_size=2, intervention=zero_last_block())
    assert len(entered) == 1 and changed != plain
    assert generate_with_transformers(loaded, prompts, GREEDY, batch_size=2) == plain


def test_samples_do_not_depend_on_the_batch(loaded, prompts):
    decoding = Decoding(max_new_tokens=8, temperature=1.0, top_p=0.9)
    seeds = list(range(len(prompts)))
    found = generate_with_transformers(loaded, prompts, decoding, batch_size=6, seeds=seeds)
    assert generate_with_transformers(loaded, prompts, decoding, batch_size=1, seeds=seeds) == found
    other = generate_with_transformers(loaded, prompts, decoding, batch_size=6, seeds=[seed + 9 for seed in seeds])
    assert other != found
    with pytest.raises(ConfigError, match="without a seed"):
        generate_with_transformers(loaded, prompts, decoding, batch_size=6)


def test_refuses_adapters_and_broken_logits(loaded, prompts, tmp_path):
    with pytest.raises(ConfigError, match="an adapter"):
        list(stream_with_transformers(loaded, [Request([5], adapter=tmp_path)], GREEDY, batch_size=1))


def test_padding_is_on_the_left():
    tokens, mask = left_padded([[1, 2, 3], [4]], pad=9)
    assert tokens.tolist() == [[1, 2, 3], [9, 9, 4]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]
