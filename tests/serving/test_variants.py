"""Many variants at once: in an order that moves weights least, each content once, and edits that do nothing found out."""

from contextlib import closing

import pytest
from edit_kinds import every_kind, low_rank, pruned
from shared_engine import served_model

from anatomy.errors import ConfigError, DataError
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.decoding import Decoding
from anatomy.serving.variants import Job, Variant, VariantCompletions, plan_variants

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=12, temperature=0.0)


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint(served_model())


def requests(prompts):
    return [(ids, None) for ids in prompts]


def collect(completions, jobs):
    found = [[None] * len(job.requests) for job in jobs]
    with closing(iter(completions)) as shards:
        for origin, generations in shards:
            for (job, row), generation in zip(origin, generations, strict=True):
                assert found[job][row] is None, "every row once"
                found[job][row] = generation.token_ids
    return found


def test_all_kinds_in_one_call_are_each_alone(engine, checkpoint, prompts):
    kinds = every_kind(checkpoint)
    kinds["second adapter"], kinds["base"] = [low_rank(checkpoint, seed=5)], []
    jobs = [Job(Variant(name, lambda edits=edits: edits), requests(prompts)) for name, edits in kinds.items()]
    before = engine.weights.reloads
    completions = VariantCompletions(engine, jobs, GREEDY, shard_size=7)
    together = collect(completions, jobs)
    reloads = sum(way.kind == "reload" for way in completions.plan.ways.values())
    assert engine.weights.reloads - before == reloads + 1 == 7
    for job, found in zip(jobs, together, strict=True):
        with engine.under(job.variant.built()) as adapter:
            alone = [one.token_ids for one in engine.generate(prompts, GREEDY, adapter=adapter)]
        assert found == alone
    assert completions.unchanged == [] and completions.plan.duplicates == {}


def test_base_first_then_adapters_together_then_like_tensors_side_by_side(engine, checkpoint):
    heads = every_kind(checkpoint)["dense head"]
    variants = [
        Variant("mask 0", [pruned(checkpoint, seed=0)]),
        Variant("rank 1", [low_rank(checkpoint)]),
        Variant("head", heads),
        Variant("base"),
        Variant("mask 1", [pruned(checkpoint, seed=1)]),
        Variant("other", [low_rank(checkpoint, seed=1)]),
    ]
    plan = plan_variants(engine, variants)
    with closing(plan.batches(engine)) as batches:
        found = [[variant.name for variant in some] for some, _ in batches]
    assert found == [["base"], ["rank 1", "other"], ["head"], ["mask 0"], ["mask 1"]]
    assert not engine.weights.edited


def test_weights_go_back_when_a_caller_leaves_early(engine, checkpoint, prompts):
    plain = engine.generate(prompts[:3], GREEDY)
    plan = plan_variants(engine, [Variant("mask", [pruned(checkpoint)]), Variant("next", [pruned(checkpoint, seed=1)])])
    with pytest.raises(RuntimeError, match="enough"), closing(plan.batches(engine)) as batches:
        for _ in batches:
            assert engine.weights.edited
            raise RuntimeError("enough")
    assert not engine.weights.edited and engine.generate(prompts[:3], GREEDY) == plain


def test_equal_edits_under_two_names_are_computed_once_and_said(engine, checkpoint, prompts):
    lines, asked = [], []
    jobs = [
        Job(Variant("one", [pruned(checkpoint)]), requests(prompts[:4])),
        Job(Variant("base"), requests(prompts[:2])),
        Job(Variant("two", [pruned(checkpoint)]), requests([*prompts[2:6], prompts[2]])),
        Job(Variant("plain"), []),
    ]
    completions = VariantCompletions(engine, jobs, GREEDY, shard_size=50, say=lines.append)
    run = engine.run
    try:
        engine.run = lambda ids, *rest: asked.append(len(ids)) or run(ids, *rest)
        found = collect(completions, jobs)
    finally:
        del engine.run
    assert completions.plan.duplicates == {"two": "one", "plain": "base"}
    assert [number for number in asked if number] == [2, 6], "four prompts of one, two more of two, none twice"
    assert found[0][2:] == found[2][:2] and found[2][0] == found[2][4]
    assert "variant two has the edits of one: computed once" in lines


def test_an_edit_that_does_nothing_is_reported_loudly(engine, checkpoint, prompts, caplog):
    name = "model.layers.0.mlp.up_proj"
    import torch

    tiny = checkpoint.tensor(f"{name}.weight").view(-1)[:1] * (1 + 1e-6)
    nothing = sparse_edit({"method": "nothing"}, "amplify", checkpoint, {name: (torch.tensor([0]), tiny)}, [name])
    jobs = [
        Job(Variant(one, edits), requests(prompts))
        for one, edits in {"base": [], "nothing": [nothing], "mask": [pruned(checkpoint)]}.items()
    ]
    completions = VariantCompletions(engine, jobs, GREEDY, shard_size=50)
    collect(completions, jobs)
    assert completions.unchanged == ["nothing"]
    assert any("WARNING: variant nothing writes exactly" in record.message for record in caplog.records)


def test_bad_input_comes_before_the_first_answer(engine, checkpoint, prompts):
    with pytest.raises(ConfigError, match="two variants called one"):
        VariantCompletions(engine, [Job(Variant("one"), [])] * 2, GREEDY, shard_size=5)
    too_long = requests([[7] * 1013, [7] * 1015])
    long = [Job(Variant("base"), requests(prompts)), Job(Variant("mask", [pruned(checkpoint)]), too_long)]
    with pytest.raises(DataError, match="2 of 12 prompts too long; the longest has 1015 tokens"):
        VariantCompletions(engine, long, GREEDY, shard_size=5)
    with pytest.raises(ConfigError, match="without a seed"):
        VariantCompletions(engine, long[:1], Decoding(4, 1.0), shard_size=5)
