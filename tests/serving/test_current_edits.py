"""Every kind of edit on one engine against transformers with the edit in memory, and the base before and after each."""

import pytest
import torch
from edit_kinds import every_kind, head, low_rank, pruned
from greedy import difference, margins
from shared_engine import served_model

from anatomy.errors import ConfigError, EditError
from anatomy.interventions.edits.apply import applied
from anatomy.models.activations.interventions import Intervention
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.decoding import Decoding
from anatomy.serving.likelihood import continuation_likelihoods, next_token_likelihoods
from anatomy.serving.transformers_generation import generate_with_transformers

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=16, temperature=0.0)
KINDS = ("adapter", "stack of adapters", "sparse", "dense head", "low-rank head", "trained adapter", "sparse under low rank")


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint(served_model())


@pytest.fixture(scope="module")
def kinds(checkpoint):
    found = every_kind(checkpoint)
    assert tuple(found) == KINDS
    return found


def written(engine, prompts, edits):
    with engine.under(edits) as adapter:
        return [one.token_ids for one in engine.generate(prompts, GREEDY, adapter=adapter)]


def scored(engine, prompts, adapter):
    """Summed log-probability of the second half of each prompt after its first half."""
    halves = [(ids[: len(ids) // 2], ids[len(ids) // 2 :]) for ids in prompts]
    return [one.logprob for one in continuation_likelihoods(engine, *map(list, zip(*halves, strict=True)), adapter)]


def reference_scores(loaded, prompts):
    found = []
    for ids in prompts:
        with torch.inference_mode():
            rows = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        first = len(ids) // 2
        found.append(sum(float(rows[place - 1, ids[place]]) for place in range(first, len(ids))))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_the_edit_in_memory_and_base_stays_base(engine, base, kinds, prompts, kind):
    edits, plain = kinds[kind], written(engine, prompts, [])
    assert engine.way(edits).kind == ("adapter" if kind == "adapter" else "reload")
    with applied(base, *edits) as edited:
        expected = [one.token_ids for one in generate_with_transformers(edited, prompts, GREEDY, batch_size=1)]
        clear = [margins(edited, *pair) for pair in zip(prompts, expected, strict=True)]
        expected_scores = reference_scores(edited, prompts)
    with engine.under(edits) as adapter:
        assert (adapter is not None) == (kind == "adapter")
        found = [one.token_ids for one in engine.generate(prompts, GREEDY, adapter=adapter)]
        again = [one.token_ids for one in engine.generate(prompts, GREEDY, adapter=adapter)]
        scores = scored(engine, prompts, adapter)
    assert all(difference(*row) is None for row in zip(found, expected, clear, strict=True))
    assert again == found, "through the prefix cache as without"
    assert scores == pytest.approx(expected_scores, rel=1e-5)
    assert sum(one == other for one, other in zip(found, plain, strict=True)) <= 2, "the edit must show"
    assert written(engine, prompts, []) == plain


def test_next_token_likelihoods_follow_the_edit(engine, base, kinds, prompts):
    for edits in (kinds["sparse"], kinds["dense head"]):
        with engine.under(edits) as adapter:
            rows = next_token_likelihoods(engine, prompts, [[10, 200]] * len(prompts), adapter)
        with applied(base, *edits) as edited, torch.inference_mode():
            for ids, row in zip(prompts, rows, strict=True):
                expected = edited.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)
                assert [one.logprob for one in row] == pytest.approx([float(expected[10]), float(expected[200])], abs=1e-4)


def test_edits_of_the_same_tensors_follow_one_another_without_the_originals_between(engine, checkpoint, prompts):
    edits = [[pruned(checkpoint, seed=seed)] for seed in range(3)]
    alone = [written(engine, prompts, one) for one in edits]
    plain, before = written(engine, prompts, []), engine.weights.reloads
    with engine.sweep():
        assert [written(engine, prompts, one) for one in edits] == alone
        assert engine.weights.reloads - before == 3
    assert engine.weights.reloads - before == 4
    assert written(engine, prompts, []) == plain


def test_in_a_sweep_base_prompts_are_answered_by_the_base(engine, kinds, prompts):
    plain = written(engine, prompts, [])
    with engine.sweep():
        edited = written(engine, prompts, kinds["sparse"])
        assert [one.token_ids for one in engine.generate(prompts, GREEDY)] == plain != edited
        assert written(engine, prompts, kinds["sparse"]) == edited
        switched = written(engine, prompts, kinds["dense head"])
    assert written(engine, prompts, kinds["dense head"]) == switched
    assert written(engine, prompts, []) == plain


def test_a_failure_under_an_edit_leaves_the_base(engine, kinds, prompts):
    plain = written(engine, prompts, [])
    with pytest.raises(KeyboardInterrupt), engine.under(kinds["sparse"]):
        raise KeyboardInterrupt
    assert written(engine, prompts, []) == plain


def test_requests_that_a_failure_leaves_behind_answer_no_later_call(engine, kinds, prompts, monkeypatch):
    plain = written(engine, prompts, [])
    core, steps = engine._llm.llm_engine, []
    step = core.step

    def stops():
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(core, "step", stops)
        with engine.under(kinds["sparse"]):
            engine.generate(prompts, GREEDY)
    assert written(engine, prompts[::-1], []) == plain[::-1]


def test_one_way_at_a_time(engine, kinds, prompts):
    with engine.under(kinds["adapter"]) as adapter:
        with engine.under([]) as none:
            assert none is None
        with pytest.raises(ConfigError, match="served by reload inside edits served by adapter"), engine.under(kinds["sparse"]):
            pass
    with engine.under(kinds["sparse"]):
        with pytest.raises(ConfigError, match="served by base inside edits served by reload"), engine.under([]):
            pass
        with pytest.raises(ConfigError, match="on weights that are edited"):
            engine.generate(prompts, GREEDY, adapter=adapter)


def test_what_this_engine_cannot_serve_is_refused_before_anything_changes(engine, checkpoint, base, tmp_path):
    from tiny_model import make_tiny_model

    before = engine.weights.reloads
    unit = torch.nn.functional.normalize(torch.ones(1, 1, 64), dim=-1)
    hooks = Intervention("ablate", (0,), unit, None, 1.0, ("block_input",), "all")
    assert engine.way([hooks]).kind == engine.way([hooks, low_rank(checkpoint)]).kind == "transformers"
    with pytest.raises(ConfigError, match="no hooks"), engine.under([hooks]):
        pass
    with pytest.raises(EditError, match="str"), engine.under(["row_mean"]):
        pass
    other = Checkpoint(make_tiny_model(tmp_path / "other", seed=12))
    with pytest.raises(EditError, match="an edit for model"), engine.under([head(other)]):
        pass
    deeper = Checkpoint(make_tiny_model(tmp_path / "deeper", seed=12, layers=5))
    with pytest.raises(EditError, match=r"model\.layers\.4.*\n.*a tensor that the model has"), engine.under([pruned(deeper)]):
        pass
    assert engine.weights.reloads == before


def test_a_stack_above_the_rank_falls_back_aloud_and_on_record(engine, kinds, prompts, caplog):
    engine.fallbacks.found.clear()
    for _ in range(2):
        written(engine, prompts[:1], kinds["stack of adapters"])
    (found,) = engine.fallbacks.found
    assert (found.asked, found.served) == ("adapter", "reload") and "rank 2" in found.reason
    assert sum("rank 2 is above the engine's max_lora_rank 1" in record.message for record in caplog.records) == 1
