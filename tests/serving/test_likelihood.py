"""Log-likelihoods from the engine against those of transformers."""

import pytest
import torch

from anatomy.serving.likelihood import _within, continuation_likelihoods, next_token_likelihoods

pytestmark = pytest.mark.engine


def log_softmax(loaded, ids):
    with torch.inference_mode():
        return loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)


def test_single_tokens(engine, base, edits, prompts):
    candidates = [[10, 200, 31], [5], [7, 7]] * 3 + [[399, 6]]
    for adapter, loaded in ((None, base), edits[0]):
        found = next_token_likelihoods(engine, prompts, candidates, adapter)
        for ids, wanted, row in zip(prompts, candidates, found, strict=True):
            expected = log_softmax(loaded, ids)[-1]
            assert [one.logprob for one in row] == pytest.approx([float(expected[token]) for token in wanted], abs=1e-4)
            assert [one.greedy for one in row] == [token == int(expected.argmax()) for token in wanted]


def test_cached_prefixes_never_give_wrong_rows(engine, base, edits, prompts):
    # Contexts of whole cache blocks, asked twice, equal endings, endings that share a block: there vLLM's log-probabilities of
    # prompts are uninitialised memory, and only asking again helps.
    context = prompts[7]
    assert len(context) % 32 == 0
    long = prompts[8][:40]
    contexts = [context, context, context, context, context, prompts[0], prompts[0]]
    continuations = [[50, 60, 70], [50, 60, 70], [50, 61], long, [*long[:35], 9, 9], prompts[8][:40], [77]]
    for adapter, loaded in ((None, base), edits[1], (None, base)):
        found = continuation_likelihoods(engine, contexts, continuations, adapter)
        for ids, rest, one in zip(contexts, continuations, found, strict=True):
            rows = log_softmax(loaded, ids + rest)[len(ids) - 1 : -1]
            expected = float(rows.gather(1, torch.tensor(rest)[:, None]).sum())
            assert one.logprob == pytest.approx(expected, rel=1e-5)
            assert one.greedy == bool((rows.argmax(-1) == torch.tensor(rest)).all())


def test_the_cache_is_read_where_it_may_be(engine, monkeypatch, prompts):
    asked = []
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda *a: asked.append(run(*a)) or asked[-1])
    context = [9, *prompts[8][:39]]
    continuation_likelihoods(engine, [context] * 4, [[50 + k, 60, 70] for k in range(4)], None)
    first = asked[0]
    assert len(asked) == 1 or not asked[1], "a context that ends inside a block needs no second asking"
    assert [output.num_cached_tokens for output in first[1:]] == [32, 32, 32]


def test_a_shard_fits_the_cache():
    assert list(_within(10, [4, 4, 4, 11, 1, 9])) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert list(_within(10, [])) == []


def test_greedy_flag_is_true_for_what_the_model_would_write(engine, prompts):
    from anatomy.serving.decoding import Decoding

    written = engine.generate(prompts, Decoding(max_new_tokens=5, temperature=0.0))
    found = continuation_likelihoods(engine, prompts, [one.token_ids for one in written], None)
    assert all(one.greedy for one in found)
