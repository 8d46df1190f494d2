"""Residual writers of every class: found from structure, complete, or refused."""

import pytest
import torch
from architecture_models import checkpoint_of, direction, edit_of, model_of, random_prompts
from tiny_architectures import ARCHITECTURES, LAYERS, make_tiny_architecture

from anatomy.errors import EditError
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.writers import residual_writers, writable_sites

SHARDED = [one for one in ARCHITECTURES if one.name in ("Phi-3", "Gemma 2", "Mixtral")]
"""One with fused readers, one tied, one with experts: the others differ in nothing that files show."""


def test_models_are_of_the_real_class_and_as_published(architecture):
    loaded = model_of(architecture)
    assert type(loaded.model).__name__ == architecture.causal
    assert type(loaded.model).__module__.startswith("transformers.models.")
    assert checkpoint_of(architecture).tied_embeddings is architecture.tied
    assert (loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight) is architecture.tied


def test_module_and_checkpoint_name_the_same_writers(architecture):
    loaded, checkpoint = model_of(architecture), checkpoint_of(architecture)
    sites = writable_sites(checkpoint)
    writers = residual_writers(loaded.model, sites=sites)
    assert writers == residual_writers(checkpoint, sites=sites)
    assert [(writer.layer, writer.site) for writer in writers] == [(layer, site) for layer in range(LAYERS) for site in sites]
    for writer in writers:
        assert torch.equal(loaded.model.get_submodule(writer.name).weight, checkpoint.tensor(f"{writer.name}.weight"))
        assert writer.post_norm is architecture.post_norm


def test_nothing_but_the_writers_writes(architecture):
    """The stream's end is its beginning plus what the inventory's matrices give; behind a norm, plus what the norms give."""
    loaded = model_of(architecture)
    blocks, sites = decoder_blocks(loaded.model), writable_sites(loaded.model)
    modules = [loaded.model.get_submodule(writer.name) for writer in residual_writers(loaded.model, sites=sites)]
    if architecture.post_norm:
        modules = [module for block in blocks for module in (block.attention_write, block.mlp_write)]
    elif architecture.experts:
        modules += [block.mlp for block in blocks]
    written, ends = [], []
    handles = [module.register_forward_hook(lambda _m, _a, output: written.append(output)) for module in modules]
    handles.append(blocks[0].module.register_forward_pre_hook(lambda _m, args: ends.append(args[0])))
    handles.append(blocks[-1].module.register_forward_hook(lambda _m, _a, output: ends.append(output)))
    with torch.no_grad():
        loaded.model(torch.tensor([random_prompts()[-1]]))
    for handle in handles:
        handle.remove()
    writes = [output[0] if isinstance(output, tuple) else output for output in written]
    assert len(writes) == 2 * LAYERS
    first, last = ends
    assert (last - first - sum(writes)).abs().max() <= 1e-5 * last.abs().max()


def test_what_is_expected_is_edited_or_nothing_is(architecture):
    checkpoint = checkpoint_of(architecture)
    both = {"method": "projection", "strength": 1.0}
    if architecture.experts:
        with pytest.raises(EditError, match=r"mixtures of experts in 3 of 3 blocks") as refused:
            build_edit(both, checkpoint, direction())
        assert "sites: [o_proj]" in refused.value.remedy
    else:
        assert len(build_edit(both, checkpoint, direction()).factors) == 2 * LAYERS
    card = edit_of(architecture, "projection").card
    assert card.edited == card.expected and len(card.edited) == LAYERS * (1 if architecture.experts else 2)
    assert card.post_norm is architecture.post_norm


def test_tied_embeddings_are_refused_and_own_ones_edited(architecture):
    checkpoint = checkpoint_of(architecture)
    spec = {"method": "projection", "strength": 1.0, "sites": ["embed_tokens", "o_proj"]}
    if architecture.tied:
        with pytest.raises(EditError, match="tied input and output embeddings"):
            build_edit(spec, checkpoint, direction())
    else:
        assert set(build_edit(spec, checkpoint, direction()).card.edited) > {checkpoint.embedding.removesuffix(".weight")}


@pytest.mark.parametrize("architecture", SHARDED, ids=lambda one: one.slug)
def test_shards_hold_the_same_model(architecture, tmp_path):
    folder = make_tiny_architecture(architecture, tmp_path, shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2 and not (folder / "model.safetensors").exists()
    sharded, single = Checkpoint(folder), checkpoint_of(architecture)
    assert sharded.names() == single.names() and sharded.digest() != single.digest()
    spec = edit_of(architecture, "projection").card.spec
    factors = build_edit(spec, sharded, direction()).factors
    for name, pair in edit_of(architecture, "projection").factors.items():
        assert all(torch.equal(one, other) for one, other in zip(pair, factors[name], strict=True))
    ids = torch.tensor([random_prompts()[1]])
    with torch.no_grad():
        logits = [one.model(ids).logits for one in (load_model(folder, torch.float32, "cpu"), model_of(architecture))]
    assert torch.equal(*logits)
