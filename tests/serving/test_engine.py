"""The engine against transformers, adapters against edits in memory, and the rule that base and adapters never mix."""

import shutil
from importlib.metadata import entry_points

import pytest
import torch
from greedy import difference, margins
from rank_one import write_rank_one
from safetensors.torch import save_file
from shared_engine import served_model

from anatomy.errors import ConfigError, DataError, EditError
from anatomy.interventions.edits.adapter import write_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.completions import Request, stream
from anatomy.serving.decoding import Decoding, request_seed
from anatomy.serving.transformers_generation import generate_with_transformers

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=24, temperature=0.0)


def assert_same(loaded, prompts, found, expected) -> int:
    """Equal token by token up to a tie; returns how many completions are equal to the end."""
    equal = 0
    for prompt, one, other in zip(prompts, found, expected, strict=True):
        if one == other:
            equal += 1
            continue
        place = difference(one.token_ids, other.token_ids, margins(loaded, prompt, other.token_ids))
        assert place is None, f"token {place} differs and is no tie"
    return equal


def reference(loaded, prompts):
    return generate_with_transformers(loaded, prompts, GREEDY, batch_size=1)


def test_greedy_is_that_of_transformers(engine, base, prompts):
    found = engine.generate(prompts, GREEDY)
    assert assert_same(base, prompts, found, reference(base, prompts)) >= 8


def test_nothing_that_is_installed_beside_vllm_registers_itself_in_an_engine(engine):
    """TransformerLens, which tests compare with, names a plugin that patches vLLM's model runner."""
    from vllm.plugins import load_plugins_by_group

    assert any(found.value.startswith("transformer_lens") for found in entry_points(group="vllm.general_plugins"))
    assert load_plugins_by_group("vllm.general_plugins") == {}


def test_adapters_are_the_edits_and_base_stays_base(engine, base, edits, prompts):
    before = engine.generate(prompts, GREEDY)
    together = engine.generate_many([(folder, prompts) for folder, _ in edits], GREEDY)
    alone = [engine.generate(prompts, GREEDY, adapter=folder) for folder, _ in edits]
    after = engine.generate(prompts, GREEDY)
    assert after == before, "every adapter slot is taken now: an index of -1 would answer base with the last edit"
    for (_, edited), one_call, own_call in zip(edits, together, alone, strict=True):
        expected = reference(edited, prompts)
        assert assert_same(edited, prompts, one_call, expected) >= 8
        assert assert_same(edited, prompts, own_call, expected) >= 8
        assert sum(one == other for one, other in zip(one_call, before, strict=True)) <= 1, "the edit must show"


@pytest.mark.parametrize("sites", [["o_proj", "down_proj"], ["o_proj", "down_proj", "embed_tokens"]])
def test_an_edit_in_memory_and_its_adapter_write_the_same(engine, base, prompts, tmp_path, sites):
    checkpoint = Checkpoint(served_model())
    direction = torch.nn.functional.normalize(torch.randn(64, generator=torch.Generator().manual_seed(0)), dim=0)
    edit = build_edit({"method": "projection", "strength": 1.5, "sites": sites}, checkpoint, direction)
    write_adapter(edit, tmp_path / "adapter", checkpoint)
    found = engine.generate(prompts, GREEDY, adapter=tmp_path / "adapter")
    plain = reference(base, prompts)
    with applied(base, edit) as edited:
        assert assert_same(edited, prompts, found, reference(edited, prompts)) >= 8
    assert sum(one == other for one, other in zip(found, plain, strict=True)) <= 1
    assert engine.generate(prompts, GREEDY) == plain


def test_base_and_adapters_never_share_a_batch(engine, edits, prompts):
    folders = [folder for folder, _ in edits[:2]]
    requests = [Request(ids, adapter=adapter) for ids in prompts for adapter in (folders[0], None, folders[1])]
    found = {}
    for places, generations in stream(engine, requests, GREEDY, shard_size=7):
        assert len({requests[place].adapter is None for place in places}) == 1
        assert len(places) <= 7
        found.update(zip(places, generations, strict=True))
    assert [found[place] for place in range(1, len(requests), 3)] == engine.generate(prompts, GREEDY)
    from vllm import SamplingParams

    with pytest.raises(ConfigError, match="base prompts in one batch"):
        engine.run(prompts[:2], [SamplingParams(max_tokens=1)] * 2, [None, folders[0]])


def test_a_rewritten_adapter_is_served_anew(engine, base, edits, prompts, tmp_path):
    folder = tmp_path / "same-path"
    shutil.copytree(edits[0][0], folder)
    first = engine.generate(prompts, GREEDY, adapter=folder)
    shutil.rmtree(folder)
    shutil.copytree(edits[1][0], folder)
    assert engine.generate(prompts, GREEDY, adapter=folder) == engine.generate(prompts, GREEDY, adapter=edits[1][0])
    assert engine.generate(prompts, GREEDY, adapter=folder) != first


def test_samples_follow_their_seed_and_not_their_place(engine, prompts):
    decoding = Decoding(max_new_tokens=12, temperature=1.0, top_p=0.9)
    seeds = [request_seed(0, f"prompt-{row}", 0) for row in range(len(prompts))]
    found = engine.generate(prompts, decoding, seeds=seeds)
    backwards = engine.generate(prompts[::-1], decoding, seeds=seeds[::-1], shard_size=3)[::-1]
    assert backwards == found
    others = engine.generate(prompts, decoding, seeds=[seed + 1 for seed in seeds])
    assert sum(one != other for one, other in zip(found, others, strict=True)) >= 8
    with pytest.raises(ConfigError, match="without a seed"):
        engine.generate(prompts, decoding)


def test_stop_texts_end_and_are_cut(engine, base, prompts):
    plain = engine.generate(prompts, GREEDY)
    stop = next(one.text[4] for one in plain if len(one.text) > 6 and one.text[4].isascii() and one.text[4].isalpha())
    decoding = Decoding(max_new_tokens=24, temperature=0.0, stop=(stop,))
    found = engine.generate(prompts, decoding)
    assert any(one.finish_reason == "stop" for one in found)
    for one, whole in zip(found, plain, strict=True):
        assert stop not in one.text
        assert whole.text.startswith(one.text) or "�" in one.text
    expected = generate_with_transformers(base, prompts, decoding, batch_size=1)
    assert assert_same(base, prompts, found, expected) >= 8


def test_progress_names_rate_and_rest(engine, prompts):
    lines = []
    engine.generate(prompts, GREEDY, shard_size=4, say=lines.append)
    assert len(lines) == 3
    assert lines[0].startswith("answers: 4/10, ") and lines[0].endswith(" left")
    assert "tokens/s" in lines[0] and lines[-1].endswith("done")


def test_refuses_what_it_cannot_serve(engine, base, edits, prompts, tmp_path):
    with pytest.raises(DataError, match="the longest has 1010 tokens"):
        engine.generate([[7] * 1010], GREEDY)
    with pytest.raises(DataError, match="0 prompt tokens"):
        engine.generate([[]], GREEDY)
    with pytest.raises(EditError, match="no adapter_config"):
        engine.generate(prompts, GREEDY, adapter=tmp_path)
    factors = {"model.layers.0.mlp.down_proj": (torch.zeros(1, 96), torch.zeros(64, 1))}
    refused = {
        "rank 4": write_rank_one(tmp_path / "rank", factors, rank=4),
        "q_proj": write_rank_one(tmp_path / "targets", factors, targets=("q_proj", "down_proj")),
        "layers 0 to 3": write_rank_one(tmp_path / "layer", {"model.layers.7.mlp.down_proj": factors.popitem()[1]}),
        "writes 80 dimensions": write_rank_one(
            tmp_path / "width", {"model.layers.0.mlp.down_proj": (torch.zeros(1, 96), torch.zeros(80, 1))}
        ),
    }
    for message, folder in refused.items():
        with pytest.raises(EditError, match=message):
            engine.generate(prompts, GREEDY, adapter=folder)


def test_adapters_of_unequal_rank_or_unlike_modules_are_refused(engine, prompts, tmp_path):
    """vLLM loads what it knows by the rank of the configuration, and leaves the rest of the edit out."""
    name, pair = "model.layers.0.mlp.down_proj", (torch.zeros(1, 96), torch.zeros(64, 1))
    refused = {
        "lora_A.weight of rank 2": {name: pair, "model.layers.1.mlp.down_proj": (torch.zeros(2, 96), torch.zeros(64, 2))},
        "lora_B.weight of rank 3": {name: (torch.zeros(1, 96), torch.zeros(64, 3))},
        "q_proj.lora_A.weight": {name: pair, "model.layers.0.self_attn.q_proj": (torch.zeros(1, 64), torch.zeros(64, 1))},
    }
    for message, factors in refused.items():
        with pytest.raises(EditError, match=message):
            engine.generate(prompts, GREEDY, adapter=write_rank_one(tmp_path / message, factors))
    folder = write_rank_one(tmp_path / "half", {name: pair})
    save_file({f"base_model.model.{name}.lora_A.weight": pair[0]}, folder / "adapter_model.safetensors")
    with pytest.raises(EditError, match="without its partner"):
        engine.generate(prompts, GREEDY, adapter=folder)


def test_prompts_too_long_are_counted_and_named(engine):
    from vllm import SamplingParams

    with pytest.raises(DataError) as caught:
        engine.run([[7] * 1020, [7], [7] * 1030, [7] * 2], [SamplingParams(max_tokens=8)] * 4, [None] * 4)
    assert caught.value.where == "prompt 2 of the batch of 4" and "1 more such prompts: [0, 2]" in caught.value.found
    assert "nothing is cut" in caught.value.expected
