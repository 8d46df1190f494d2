"""Paths from a head beside whole passes with hooks of their own, and what paths must add up to."""

import pytest
import torch
from small_decoders import PAIR, small_decoder
from transformers import Gemma2Config, GraniteConfig, LlamaConfig, Olmo2Config, Qwen2Config

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.patching import WAYS, Place, patch_pair
from anatomy.interventions.instruments.path_patching import Head, path_effects
from anatomy.models.blocks import decoder_blocks

METRIC = RefusalMetric((7, 9), 0.0)
SENDERS = [Head(0, 1), Head(1, 3), Head(0, 2), Head(2, 0)]
KEYS = ["sender_layer", "sender_head", "path", "receiver_layer", "receiver_head"]


@pytest.fixture(params=[LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config, GraniteConfig], ids=lambda one: one.__name__)
def loaded(request):
    more = {"logits_scaling": 3.0} if request.param is GraniteConfig else {}
    return small_decoder(request.param, **more)


def first(output):
    return output[0] if isinstance(output, tuple) else output


def whole_pass(model, tokens, read=(), put=()):
    """Logits of a whole pass; ``read``: (module, before, into), ``put``: (module, before, change)."""
    handles = []
    for module, before, act in [*((m, b, lambda x, into=i: into.append(x.clone())) for m, b, i in read), *put]:

        def hook(_module, args, kwargs, *output, before=before, act=act):
            x = (args[0] if args else kwargs["hidden_states"]) if before else first(output[0])
            changed = act(x)
            if changed is None:
                return None
            if before:
                return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})
            return (changed, *output[0][1:]) if isinstance(output[0], tuple) else changed

        register = module.register_forward_pre_hook if before else module.register_forward_hook
        handles.append(register(hook, with_kwargs=True))
    try:
        return model(input_ids=torch.tensor([tokens])).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()


def plainly(loaded, giving, taking, sender, path, receiver):
    """A path by whole passes: each part of the model that is not on it is told to give what it gave before."""
    model, blocks = loaded.model, decoder_blocks(loaded.model)
    known = {"z": [], "attention": [[] for _ in blocks], "mlp": [[] for _ in blocks], "o": [[] for _ in blocks]}
    whole_pass(model, giving, read=[(blocks[sender.layer].attention.o_proj, True, known["z"])])
    read = []
    for layer, block in enumerate(blocks):
        read += [(block.attention_write, False, known["attention"][layer]), (block.mlp_write, False, known["mlp"][layer])]
        read += [(block.attention.o_proj, True, known["o"][layer])]
    whole_pass(model, taking, read=read)
    own = slice(sender.head * 8, sender.head * 8 + 8)

    def send(z):
        z = z.clone()
        z[..., own] = known["z"][0][..., own]
        return z

    put = [(blocks[sender.layer].attention.o_proj, True, send)]

    def kept(part, layers):
        module = {"attention": "attention_write", "mlp": "mlp_write"}[part]
        return [(getattr(blocks[layer], module), False, lambda x, layer=layer: known[part][layer][0]) for layer in layers]

    later = range(sender.layer + 1, len(blocks))
    if path == "total":
        return whole_pass(model, taking, put=put)
    if path == "without_heads":
        return whole_pass(model, taking, put=[*put, *kept("attention", later)])
    if path == "direct":
        return whole_pass(model, taking, put=[*put, *kept("attention", later), *kept("mlp", range(sender.layer, len(blocks)))])
    # First what the receiver makes of it when no head between has noticed (nor an MLP), then a pass in which only it has.
    seen, between = [], range(sender.layer + 1, receiver.layer)
    quiet = [*put, *kept("attention", between)]
    if path == "edge":
        quiet += kept("mlp", range(sender.layer, receiver.layer))
    whole_pass(model, taking, read=[(blocks[receiver.layer].attention.o_proj, True, seen)], put=quiet)
    there = slice(receiver.head * 8, receiver.head * 8 + 8)

    def receive(z):
        z = z.clone()
        z[..., there] = seen[0][..., there]
        return z

    return whole_pass(model, taking, put=[(blocks[receiver.layer].attention.o_proj, True, receive)])


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_every_path_is_what_whole_passes_with_hooks_give(loaded, way):
    found = path_effects(loaded, PAIR, SENDERS, METRIC, way, token_budget=35)
    giving, taking = (PAIR.clean, PAIR.corrupt) if way == "denoise" else (PAIR.corrupt, PAIR.clean)
    assert len(found) == 4 * 3 + 2 * 4 * (2 + 1 + 2)
    wanted = [
        METRIC(plainly(loaded, giving, taking, Head(row[0], row[1]), row[2], Head(row[3], row[4]))).item()
        for row in found[KEYS].itertuples(index=False)
    ]
    assert found["patched"].tolist() == pytest.approx(wanted, abs=1e-5)
    start = found["corrupt"] if way == "denoise" else found["clean"]
    assert ((found["patched"] - start).abs().groupby(found["path"]).max() > 1e-3).all()


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_of_a_head_is_its_patch_and_a_last_head_has_no_other_way_than_past_others(loaded, way):
    found = path_effects(loaded, PAIR, SENDERS, METRIC, way, token_budget=1000).set_index(KEYS)["recovery"]
    patches = patch_pair(loaded, PAIR, [Place("head", one.layer, None, one.head) for one in SENDERS], METRIC, way, 1000)
    whole = [found[one.layer, one.head, "total", -1, -1] for one in SENDERS]
    assert whole == pytest.approx(patches["recovery"].tolist(), abs=1e-5)
    assert found[2, 0, "without_heads", -1, -1] == pytest.approx(found[2, 0, "total", -1, -1], abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "named"), [(Head(3, 0), "layer 3"), (Head(-1, 0), "layer -1"), (Head(0, 4), "head 4 of block 0")]
)
def test_a_head_that_is_not_there_is_named(wrong, named):
    with pytest.raises(ModelError, match=named):
        path_effects(small_decoder(LlamaConfig), PAIR, [wrong], METRIC, "noise", 1000)
