"""Patches, gradients and contributions beside TransformerLens, which finds its places in its own way."""

import pytest
import torch
from small_decoders import PAIR, small_decoder
from transformers import AutoTokenizer, Gemma2Config, LlamaConfig, Olmo2Config, Qwen2Config

from anatomy.interventions.directions.metrics import RefusalMetric, refusal_metric
from anatomy.interventions.instruments.attribution_patching import attribution
from anatomy.interventions.instruments.direct_attribution import direct_attribution
from anatomy.interventions.instruments.interchange import exchangeable_runs, exchanged_metric, interchange, random_basis
from anatomy.interventions.instruments.patching import WAYS, patch_pair, places_of
from anatomy.interventions.instruments.path_patching import Head, path_effects

bridges = pytest.importorskip(
    "transformer_lens.model_bridge", reason="TransformerLens is not installed; envs/cpu.lock has its version"
)
METRIC = RefusalMetric((7, 9), 0.0)
CLASSES = [LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config]
NAMES = {
    "stream": "blocks.{}.hook_resid_pre",
    "attention": "blocks.{}.hook_attn_out",
    "mlp": "blocks.{}.hook_mlp_out",
    "head": "blocks.{}.attn.hook_z",
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from tiny_model import make_tiny_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    make_tiny_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


def bridged(loaded, tokenizer):
    """TransformerLens' view of a model, which it takes to pieces."""
    loaded.model.config.architectures = [type(loaded.model).__name__]
    return bridges.TransformerBridge.boot_transformers("a/model", hf_model=loaded.model, tokenizer=tokenizer, device="cpu")


@pytest.fixture(params=CLASSES, ids=lambda one: one.__name__)
def both(request, tokenizer):
    """The same weights twice, since a bridge takes its model to pieces: ours, and TransformerLens' with its hook names."""
    ours, bridge = small_decoder(request.param), bridged(small_decoder(request.param), tokenizer)
    names = dict(NAMES)
    if request.param is Gemma2Config:  # its attn_out stands before the norm, which the stream is not given
        names |= {"attention": "blocks.{}.ln1_post.hook_out", "mlp": "blocks.{}.ln2_post.hook_out"}
    return ours, bridge, names


def sides(way):
    giving, taking = (PAIR.clean, PAIR.corrupt) if way == "denoise" else (PAIR.corrupt, PAIR.clean)
    return torch.tensor([giving]), torch.tensor([taking])


def test_the_two_run_alike(both):
    ours, bridge, _ = both
    tokens = torch.tensor([PAIR.clean, PAIR.corrupt])
    assert torch.allclose(ours.model(input_ids=tokens).logits, bridge(tokens), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_every_patch_is_what_a_hook_of_transformer_lens_gives(both, way):
    ours, bridge, names = both
    places = places_of(ours, PAIR.length, list(NAMES))
    found = patch_pair(ours, PAIR, places, METRIC, way, token_budget=1000)
    giving, taking = sides(way)
    _, kept = bridge.run_with_cache(giving)

    def patched(place):
        name = names[place.part].format(place.layer)

        def put(x, hook):
            x = x.clone()
            if place.head is None:
                x[:, place.column] = kept[name][:, place.column]
            else:
                x[:, :, place.head] = kept[name][:, :, place.head]
            return x

        return METRIC(bridge.run_with_hooks(taking, fwd_hooks=[(name, put)])[:, -1]).item()

    assert found["patched"].tolist() == pytest.approx([patched(place) for place in places], abs=1e-5)
    assert found["patched"].std() > 1e-3


@pytest.mark.parametrize("way", WAYS)
def test_attribution_is_the_product_with_the_gradient_of_transformer_lens(both, way):
    ours, bridge, names = both
    places = places_of(ours, PAIR.length, list(NAMES))
    found = attribution(ours, PAIR, places, METRIC.refusal_tokens, METRIC.epsilon, way)
    giving, taking = sides(way)
    with torch.no_grad():
        _, kept = bridge.run_with_cache(giving)
    bridge.requires_grad_(True)
    here, slopes = {}, {}
    wanted = {names[part].format(layer) for part in NAMES for layer in range(3)}

    def into(kept_in, name):  # a hook knows its place by one name alone, and some places have two
        return lambda x, hook: kept_in.__setitem__(name, x.detach().clone())

    forward, backward = ([(name, into(found_in, name)) for name in wanted] for found_in in (here, slopes))
    with bridge.hooks(fwd_hooks=forward, bwd_hooks=backward):
        refusal_metric(bridge(taking)[:, -1], METRIC.refusal_tokens, METRIC.epsilon).sum().backward()

    def effect(place):
        name = names[place.part].format(place.layer)
        product = (kept[name].double() - here[name].double()) * slopes[name].double()
        return (product[:, place.column] if place.head is None else product[:, :, place.head]).sum().item()

    assert found.tolist() == pytest.approx([effect(place) for place in places], abs=1e-4)


@torch.no_grad()
def test_contributions_are_what_transformer_lens_caches(both):
    """Attention and MLP of every block, and with the embedding the final stream, along a direction."""
    ours, bridge, names = both
    unit = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(1)), dim=0)
    table = direct_attribution(ours, [PAIR.clean], ["a"], {"one": unit})
    _, kept = bridge.run_with_cache(torch.tensor([PAIR.clean]))
    scale = kept["blocks.2.hook_resid_post"][0, -1].norm().item()
    near = 1e-5 * max(1.0, scale)
    for layer in range(3):
        own = table[table["layer"] == layer]
        attention = own[own["part"] != "mlp"]["contribution"].sum()
        for part, found in (("attention", attention), ("mlp", own[own["part"] == "mlp"]["contribution"].sum())):
            assert found == pytest.approx((kept[names[part].format(layer)][0, -1] @ unit).item(), abs=near)
        rise = kept[f"blocks.{layer}.hook_resid_post"][0, -1] - kept[f"blocks.{layer}.hook_resid_pre"][0, -1]
        assert own["contribution"].sum() == pytest.approx((rise @ unit).item(), abs=near)
    assert table["contribution"].sum() == pytest.approx((kept["blocks.2.hook_resid_post"][0, -1] @ unit).item(), abs=near)


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_an_edge_is_what_the_split_inputs_of_transformer_lens_give(tokenizer, way):
    """The sender's change is added to what one later head reads for its queries, keys and values, which TransformerLens keeps
    apart for each head; its own ``get_act_patch_direct_path`` patches one of the three at a time."""
    more = {"num_key_value_heads": 4}
    ours, bridge = small_decoder(LlamaConfig, **more), bridged(small_decoder(LlamaConfig, **more), tokenizer)
    sender, (giving, taking) = Head(0, 2), sides(way)
    found = path_effects(ours, PAIR, [sender], METRIC, way, token_budget=1000)
    kept, before = (bridge.run_with_cache(tokens)[1] for tokens in (giving, taking))
    z = "blocks.0.attn.hook_z"
    change = (kept[z] - before[z])[:, :, sender.head] @ bridge.blocks[0].attn.W_O[sender.head]
    bridge.set_use_split_qkv_input(True)

    def edge(receiver):
        def add(x, hook):
            x = x.clone()
            x[:, :, receiver.head] += change
            return x

        hooks = [(f"blocks.{receiver.layer}.attn.hook_{name}_input", add) for name in "qkv"]
        return METRIC(bridge.run_with_hooks(taking, fwd_hooks=hooks)[:, -1]).item()

    edges = found[found["path"] == "edge"]
    wanted = [edge(Head(row.receiver_layer, row.receiver_head)) for row in edges.itertuples()]
    assert len(wanted) == 8 and edges["patched"].tolist() == pytest.approx(wanted, abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("column", [-1, -2])
def test_an_exchange_is_the_subspace_interchange_of_transformer_lens(both, column):
    theirs = pytest.importorskip("transformer_lens.tools.analysis.interchange")
    ours, bridge, _ = both
    basis, at, name = random_basis(32, 3, 0), torch.tensor([PAIR.length + column]), "blocks.1.hook_in"
    for run in exchangeable_runs(ours, [PAIR], 1, column, METRIC):
        giving, taking = sides(run.way)
        source = theirs.collect_activations(bridge, name, giving, bridge, positions=at)
        logits = theirs.run_with_intervention(
            bridge, name, theirs.SubspaceInterchange(basis), taking, source, bridge, positions=at
        )
        found = exchanged_metric(ours, run, 1, column, interchange(run, ours, column, basis), METRIC).item()
        assert found == pytest.approx(METRIC(logits[:, -1]).item(), abs=1e-5) and abs(found - run.start) > 1e-4
