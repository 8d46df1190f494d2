"""Patches beside a plain re-implementation, attribution beside finite differences, pairs that are pairs."""

import pytest
import torch
from small_decoders import PAIR, small_decoder
from transformers import Gemma2Config, LlamaConfig, Olmo2Config, Qwen2Config

from anatomy.errors import DataError, ModelError
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.attribution_patching import attribution
from anatomy.interventions.instruments.paired_prompts import PairedPrompts, Prompt, pair_by_length
from anatomy.interventions.instruments.patching import WAYS, Place, patch_pair, places_of
from anatomy.interventions.instruments.run_record import record_run
from anatomy.models.blocks import decoder_blocks

METRIC = RefusalMetric((7, 9), 0.0)
PARTS = ("stream", "attention", "mlp", "head")


@pytest.fixture(params=[LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config])
def loaded(request):
    return small_decoder(request.param)


def plainly(loaded, place, giving, taking):
    """A whole pass over ``taking`` with the activation of ``giving`` put in by a hook of its own."""
    block = decoder_blocks(loaded.model)[place.layer]
    module = {"stream": block.module, "attention": block.attention_write, "mlp": block.mlp_write, "head": block.attention.o_proj}
    module, before, kept = module[place.part], place.part in ("stream", "head"), {}

    def hidden(args, kwargs):
        return args[0] if args else kwargs["hidden_states"]

    def take(_module, args, kwargs, output=None):
        x = hidden(args, kwargs) if before else (output[0] if isinstance(output, tuple) else output)
        kept["there"] = x.clone()

    def put(_module, args, kwargs, output=None):
        x = (hidden(args, kwargs) if before else (output[0] if isinstance(output, tuple) else output)).clone()
        columns = slice(None) if place.column is None else [place.column]
        rest = slice(None) if place.head is None else slice(place.head * 8, place.head * 8 + 8)
        x[:, columns, rest] = kept["there"][:, columns, rest]
        if not before:
            return (x, *output[1:]) if isinstance(output, tuple) else x
        return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": x})

    register = module.register_forward_pre_hook if before else module.register_forward_hook
    for hook, tokens in ((take, giving), (put, taking)):
        handle = register(hook, with_kwargs=True)
        logits = loaded.model(input_ids=torch.tensor([tokens])).logits[:, -1]
        handle.remove()
    return METRIC(logits).item()


@pytest.mark.parametrize("way", WAYS)
def test_every_patch_is_what_a_whole_pass_with_a_hook_gives(loaded, way):
    places = places_of(loaded, PAIR.length, PARTS)
    assert len(places) == 3 * (3 * 5 + 4)
    found = patch_pair(loaded, PAIR, places, METRIC, way, token_budget=35)
    giving, taking = (PAIR.clean, PAIR.corrupt) if way == "denoise" else (PAIR.corrupt, PAIR.clean)
    wanted = [plainly(loaded, place, giving, taking) for place in places]
    assert found["patched"].tolist() == pytest.approx(wanted, abs=1e-5)
    assert found["patched"].std() > 1e-3
    last = found[(found["part"] == "stream") & (found["column"] == 0)]
    assert last["recovery"].tolist() == pytest.approx([0.0] * 3, abs=1e-5)  # the first token is the same in both


@pytest.mark.parametrize("length", [3, 5, 12])
@pytest.mark.parametrize("window", [4, 4096])
def test_no_token_is_lost_where_passes_go_on_from_kept_keys(window, length):
    """Prompts longer than the window that attention slides over, and long ones in which several tokens share a pass."""
    loaded, generator = small_decoder(Gemma2Config, sliding_window=window), torch.Generator().manual_seed(length)
    clean, corrupt = torch.randint(3, 50, (2, length), generator=generator).tolist()
    pair = PairedPrompts("a", "b", "g", (1, *clean, 4), (1, *corrupt, 4))
    places = places_of(loaded, pair.length, PARTS)
    found = patch_pair(loaded, pair, places, METRIC, "denoise", token_budget=60)
    assert found["patched"].tolist() == pytest.approx(
        [plainly(loaded, one, pair.clean, pair.corrupt) for one in places], abs=1e-5
    )


def test_the_same_prompt_twice_has_nothing_to_patch():
    loaded = small_decoder(LlamaConfig)
    same = PairedPrompts("a", "b", "g", PAIR.clean, PAIR.clean)
    found = patch_pair(loaded, same, places_of(loaded, 5, PARTS), METRIC, "noise", 1000)
    assert (found["patched"] == found["clean"]).all() and found["recovery"].isna().all()


def test_all_of_the_stream_brings_the_whole_metric(loaded):
    whole = [Place("stream", layer, None) for layer in range(3)]
    for way in WAYS:
        assert patch_pair(loaded, PAIR, whole, METRIC, way, 1000)["recovery"].tolist() == pytest.approx([1.0] * 3, abs=1e-4)


def test_parts_sum_to_the_stream(loaded):
    run = record_run(loaded, torch.tensor([PAIR.clean]))
    for layer in range(3):
        assert torch.allclose(run.streams[layer] + run.attention[layer] + run.mlp[layer], run.streams[layer + 1], atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_attribution_is_the_slope_of_small_patches(loaded, way):
    near = PairedPrompts("clean", "corrupt", "g", PAIR.clean, PAIR.corrupt)
    places = places_of(loaded, near.length, PARTS)
    table = loaded.model.get_input_embeddings().weight.data
    for one, other in zip(near.clean, near.corrupt, strict=True):  # two runs that differ by little
        table[one] = table[other] + 1e-2 * (table[one] - table[other])
    found = patch_pair(loaded, near, places, METRIC, way, 1000)
    start = found["corrupt"] if way == "denoise" else found["clean"]
    predicted = attribution(loaded, near, places, METRIC.refusal_tokens, METRIC.epsilon, way)
    true = torch.tensor((found["patched"] - start).to_numpy())
    assert (predicted - true).abs().max() < 0.05 * true.abs().max()
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


NOT_THERE = {
    "layer 3": Place("stream", 3, 0),
    "layer -1": Place("stream", -1, 0),
    "token 5": Place("attention", 0, 5),
    "token -1": Place("mlp", 0, -1),
    "token 9": Place("head", 1, 9, 0),
    "head 4 of block 0": Place("head", 0, None, 4),
    "head -1 of block 0": Place("head", 0, None, -1),
    "head None of block 0": Place("head", 0, None),
    "head 1 of the part stream": Place("stream", 0, 0, 1),
}


@pytest.mark.parametrize("named", list(NOT_THERE))
def test_what_is_not_there_is_named_and_nothing_is_counted_from_the_end(named):
    model, places = small_decoder(LlamaConfig), [Place("stream", 0, 0), NOT_THERE[named]]
    with pytest.raises(ModelError, match=named):
        patch_pair(model, PAIR, places, METRIC, "noise", 1000)
    with pytest.raises(ModelError, match=named):
        attribution(model, PAIR, places, METRIC.refusal_tokens, METRIC.epsilon, "noise")


def test_layers_that_are_asked_for_must_be_there():
    with pytest.raises(ModelError, match="layer 3"):
        places_of(small_decoder(LlamaConfig), 5, PARTS, [0, 3])


def test_pairs_have_as_many_tokens_on_both_sides():
    with pytest.raises(DataError, match="3 tokens in a and 2 in b"):
        PairedPrompts("a", "b", "g", (1, 2, 3), (1, 2))
    with pytest.raises(DataError, match="no tokens in a nor in b"):
        PairedPrompts("a", "b", "g", (), ())
    clean = [Prompt("c0", "g0", (1, 2, 3), "x"), Prompt("c1", "g1", (1, 5, 3)), Prompt("c2", "g2", (1,))]
    corrupt = [Prompt("d0", "h0", (1, 2, 9)), Prompt("d1", "h1", (1, 6, 9), "x"), Prompt("d2", "h2", (4, 4))]
    pairs, left = pair_by_length(clean, corrupt, 10)
    assert [(pair.id, pair.corrupt_id) for pair in pairs] == [("c0", "d1"), ("c1", "d0")] and left == 1
    with pytest.raises(DataError, match="none of equal length"):
        pair_by_length(clean[2:], corrupt, 10)
