"""Packed rows against whole passes of the same module, and the models they are refused for."""

import random

import pytest
import torch
from made_architecture import make_tiny_architecture
from rank_one import rank_one_factors, write_rank_one
from tiny_architectures import ARCHITECTURES
from tiny_model import load_tiny_model

from anatomy.errors import EditError, ModelError
from anatomy.interventions.edits.adapter_factors import applied_adapter
from anatomy.models.loading import load_model
from anatomy.serving.packed_likelihood import PackedScorer, open_packed
from anatomy.serving.packed_rows import MIN_SHARED, Question, families, packed_batches

WINDOWED = {"mistral", "phi3", "gemma2", "gemma3_text", "starcoder2"}


def ids(length, seed):
    return random.Random(seed).choices(range(6, 390), k=length)


def expected(loaded, context, continuation):
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([[*context, *continuation]])).logits[0, len(context) - 1 : -1].double()
    best = logits.argmax(-1).tolist()
    return float(logits.log_softmax(-1).gather(1, torch.tensor(continuation)[:, None]).sum()), best == list(continuation)


def assert_equal_to_whole_passes(loaded, questions, scored):
    for (context, continuations), row in zip(questions, scored, strict=True):
        for continuation, found in zip(continuations, row, strict=True):
            logprob, greedy = expected(loaded, context, continuation)
            assert found.logprob == pytest.approx(logprob, rel=1e-5, abs=1e-5)
            assert found.greedy == greedy


def many_shapes():
    """Few-shot families, whole cache blocks, equal endings, endings that begin alike, contexts of one token."""
    examples, other, ending = ids(70, 1), ids(45, 2), ids(40, 3)
    found = [(examples + ids(3 + n, 10 + n), [ids(2 + (n + k) % 5, 50 + 7 * n + k) for k in range(4)]) for n in range(6)]
    found += [(other + ids(4, 20 + n), [ids(6, 90 + n), ids(1, 95 + n)]) for n in range(3)]
    found += [
        (ids(64, 4), [ending, ending, ending[:33] + ids(3, 5)]),
        (ids(1, 6), [ids(3, 7), ids(1, 8), ids(1, 9)]),
        (examples, [ids(2, 30)]),
        (examples[:-1], [ids(4, 31)]),
        ([7], [[8] * 3]),
    ]
    return found


def test_equal_to_whole_passes_whatever_the_shapes_and_batches(tiny):
    questions = many_shapes()
    for budget in (1, 100, 4096):
        assert_equal_to_whole_passes(tiny, questions, PackedScorer(tiny, budget).score(questions))


def test_greedy_continuations_are_known(tiny):
    context = ids(40, 1)
    with torch.inference_mode():
        written = tiny.model.generate(torch.tensor([context]), max_new_tokens=4, do_sample=False, eos_token_id=None)
    best = written[0, len(context) :].tolist()
    worse = [*best[:-1], (best[-1] + 1) % 300 + 6]
    assert [one.greedy for one in PackedScorer(tiny).score([(context, [best, best[:1], worse])])[0]] == [True, True, False]


def test_a_shared_beginning_is_computed_once():
    examples = ids(100, 1)
    questions = [Question(tuple(examples + ids(10, n)), (tuple(ids(5, n)), tuple(ids(6, n)))) for n in range(2, 8)]
    questions += [Question(tuple(ids(MIN_SHARED - 1, 1)), (tuple(ids(4, 9)),))]
    shared, loose = families(questions)
    assert (len(shared.prefix), sorted(shared.places), loose.prefix, loose.places) == (100, [0, 1, 2, 3, 4, 5], (), (6,))
    computed = [batch.input_ids.numel() for batch in packed_batches(questions, shared, 10_000, 0)]
    assert computed == [6 * (10 + 4 + 5)], "the rest of each context, and each choice without its last token"
    assert all(batch.input_ids.numel() <= 40 for batch in packed_batches(questions, shared, 40, 0))
    # A context that is itself the beginning of others keeps its last token for its own row of logits.
    nested = [Question(tuple(examples), ((5, 6),)), Question((*examples, 9), ((5, 6),))]
    assert len(families(nested)[0].prefix) == 99


def test_under_an_adapter_and_back(tiny_folder, tmp_path):
    loaded = load_tiny_model(tiny_folder)
    scorer, questions = PackedScorer(loaded), many_shapes()
    before = scorer.score(questions)
    folder = write_rank_one(tmp_path / "adapter", rank_one_factors(loaded.model, 0, 1.5))
    with applied_adapter(loaded, folder):
        edited = scorer.score(questions)
        assert_equal_to_whole_passes(loaded, questions, edited)
    assert all(abs(a[0].logprob - b[0].logprob) > 0.01 for a, b in zip(before, edited, strict=True))
    assert scorer.score(questions) == before
    config = (folder / "adapter_config.json").read_text()
    (folder / "adapter_config.json").write_text(config.replace('"r"', '"use_dora": true, "r"'))
    with pytest.raises(EditError, match="use_dora"), applied_adapter(loaded, folder):
        pass


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.slug)
def test_architectures_are_right_or_refused(architecture, tmp_path):
    folder = make_tiny_architecture(architecture, tmp_path)
    loaded = load_model(folder, torch.float32, "cpu")
    if architecture.model_type in WINDOWED:
        with pytest.raises(ModelError, match=r"sliding|capped"):
            PackedScorer(loaded)
        said = []
        assert open_packed(folder, "float32", said.append) is None and "one by one" in said[0]
        return
    questions = many_shapes()
    assert_equal_to_whole_passes(loaded, questions, PackedScorer(loaded).score(questions))


def test_a_model_that_reads_along_the_row_is_found_by_the_trial(tiny_folder):
    loaded = load_tiny_model(tiny_folder)

    def mix(module, inputs, output):  # as a recurrent or convolutional layer would
        return output + 0.5 * torch.nn.functional.pad(output, (0, 0, 1, 0))[:, :-1]

    handle = loaded.model.model.layers[1].mlp.register_forward_hook(mix)
    try:
        with pytest.raises(ModelError, match="packed rows that give"):
            PackedScorer(loaded)
    finally:
        handle.remove()
    PackedScorer(loaded)
