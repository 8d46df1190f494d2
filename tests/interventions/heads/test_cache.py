"""States of answers are those that make the model's logits, and a cache is filled once."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.errors import DataError, ModelError, StoreError
from anatomy.interventions.heads.cache import Shard, fill_cache, read_cache, read_index
from anatomy.interventions.heads.same_tokens import require_same_tokens
from anatomy.interventions.heads.states import answer_states
from anatomy.interventions.heads.targets import keep
from anatomy.interventions.heads.union import likeliest
from anatomy.interventions.heads.union_cache import fill_union, read_union
from anatomy.models.loading import load_model


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_model(make_tiny_model(tmp_path_factory.mktemp("tiny")), torch.float32, "cpu")


PROMPTS, ANSWERS = [[1, 20, 30, 40], [1, 50], [1, 60, 70, 80, 90, 91]], [[33, 34], [35, 36, 37, 38], [39]]


def test_states_times_the_head_are_the_logits_that_predict_the_answer(loaded):
    found = {read.row: read for read in answer_states(loaded, PROMPTS, ANSWERS, 8, layer=2)}
    assert sorted(found) == [0, 1, 2]
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        logits = loaded.model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        assert torch.allclose(found[row].final @ loaded.model.lm_head.weight.T, logits, atol=1e-4)
        assert torch.allclose(found[row].early.square().mean(-1), torch.ones(len(answer)), atol=1e-4)


def test_empty_answers_and_heads_with_a_cap_are_refused(loaded, monkeypatch):
    with pytest.raises(DataError, match="no tokens in the answer"):
        next(answer_states(loaded, [[1]], [[]], 8))
    monkeypatch.setattr(loaded.model, "lm_head", Capped(loaded.model.lm_head))
    monkeypatch.setattr(type(loaded.model), "get_output_embeddings", lambda model: model.lm_head.inner)
    with pytest.raises(ModelError, match="a linear output head"):
        next(answer_states(loaded, PROMPTS, ANSWERS, 8))


class Capped(torch.nn.Module):
    """A head whose logits are capped behind it, as Gemma 2's are."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, states):
        return 2 * torch.tanh(self.inner(states) / 2)


def test_unlike_tokenizers_are_named(loaded):
    class Renamed:
        def get_vocab(self):
            vocabulary = dict(loaded.tokenizer.get_vocab())
            vocabulary["<|new|>"] = vocabulary.pop("<|user|>")
            return vocabulary

    require_same_tokens(loaded.tokenizer, loaded.tokenizer, "the pair")
    with pytest.raises(ModelError, match=r"2 tokens .* '<\|new\|>' is missing and \d+; '<\|user\|>' is \d+ and missing"):
        require_same_tokens(loaded.tokenizer, Renamed(), "the pair")


def shard_of(place):
    generator = torch.Generator().manual_seed(place.start)
    lengths = torch.arange(place.start, place.stop) % 3 + 1
    tokens = int(lengths.sum())
    logits = torch.randn(tokens, 300, generator=generator) * 12  # as peaked as those of a model that answers
    nats = torch.rand(len(lengths), generator=generator)
    return Shard(
        features=torch.randn(tokens, 8, generator=generator),
        early=torch.randn(tokens, 8, generator=generator),
        targets=keep(logits, 200, 0.999),
        answered=torch.arange(tokens),
        lengths=lengths,
        whole_kl=nats + 0.1,
        kept_kl=nats,
    )


def test_a_cache_is_filled_once_and_goes_on_where_it_was_cut(tmp_path):
    computed, said = [], []

    def compute(place):
        computed.append(place)
        if len(computed) == 3:
            raise KeyboardInterrupt
        return shard_of(place)

    with pytest.raises(KeyboardInterrupt):
        fill_cache(tmp_path, {"a": 1}, 10, 4, compute, said.append)
    index = fill_cache(tmp_path, {"a": 1}, 10, 4, compute, said.append)
    assert [place.start for place in computed] == [0, 4, 8, 8] and "2 of 3 shards were there already" in said
    assert read_index(tmp_path / "index.json") == index and index["answers"] == 10
    assert index["bytes_a_token"] <= 200 and index["whole_kl"] > index["kept_kl"]
    every = read_cache(tmp_path, 3)
    assert torch.equal(every.features[-3:], shard_of(slice(8, 10)).features[-3:]) and len(every.targets) == index["tokens"]
    fill_cache(tmp_path, {"a": 2}, 4, 4, compute, said.append)
    assert len(computed) == 5 and len(list(tmp_path.glob("shard-*"))) == 1


def test_a_union_is_found_once_for_all_heads_of_a_pair_and_again_for_other_texts(tmp_path):
    index = fill_cache(tmp_path, {"texts": "a"}, 6, 4, shard_of, print)
    weight, cached = torch.randn(300, 8, generator=torch.Generator().manual_seed(3)), read_cache(tmp_path, 2)
    union, file = fill_union(tmp_path, index, weight, 40, 50), tmp_path / "union.safetensors"
    whole = likeliest(cached.features, weight, cached.targets, 40, 50)
    back, some = read_union(tmp_path), read_union(tmp_path, torch.tensor([2, 5]))
    for one in (union, back):
        assert torch.equal(one.tokens, whole.tokens) and torch.equal(one.others, whole.others)
        assert (one.vocabulary, one.lost) == (300, whole.lost)
    assert torch.equal(some.others, whole.others[[2, 5]]) and torch.equal(some.tokens, whole.tokens)
    made = file.stat().st_mtime_ns
    fill_union(tmp_path, index, weight, 40, 50)
    assert file.stat().st_mtime_ns == made
    assert len(fill_union(tmp_path, index, weight, 30, 50).tokens) == 30
    fill_union(tmp_path, {**index, "shards": ["others"]}, weight, 30, 50)
    assert file.stat().st_mtime_ns != made
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StoreError, match="heads of this pair"):
        read_union(tmp_path)
    file.unlink()
    with pytest.raises(StoreError, match="heads of this pair"):
        read_union(tmp_path)
