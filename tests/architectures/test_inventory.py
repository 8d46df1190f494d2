"""Residual writers of every class: found from structure, complete, or refused."""

import pytest
import torch
from architecture_models import checkpoint_of, direction, edit_of, model_of, random_prompts
from made_architecture import make_tiny_architecture
from tiny_architectures import ARCHITECTURES, LAYERS

from anatomy.errors import EditError
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.experts import loaded_tensor
from anatomy.models.loading import load_model
from anatomy.models.sites import BLOCK_SITES
from anatomy.models.writers import residual_writers

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
    writers = residual_writers(loaded.model)
    assert writers == residual_writers(checkpoint)
    places = [(layer, site) for layer in range(LAYERS) for site in BLOCK_SITES]
    assert list(dict.fromkeys((writer.layer, writer.site) for writer in writers)) == places
    assert len(writers) == LAYERS * (1 + (architecture.experts or 1))
    for writer in writers:
        tensor = f"{writer.name}.weight"
        assert torch.equal(loaded_tensor(loaded.model, tensor), checkpoint.tensor(tensor))
        assert writer.post_norm is architecture.post_norm


def test_nothing_but_the_writers_writes(architecture):
    """The stream's end is its beginning plus what the inventory's matrices give; behind a norm, plus what the norms give."""
    loaded = model_of(architecture)
    blocks = decoder_blocks(loaded.model)
    if architecture.post_norm or architecture.experts:
        modules = [module for block in blocks for module in (block.attention_write, block.mlp_write)]
    else:
        modules = [loaded.model.get_submodule(writer.name) for writer in residual_writers(loaded.model)]
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
    card = build_edit(both, checkpoint, direction()).card
    assert card.edited == card.expected and len(card.edited) == LAYERS * (1 + (architecture.experts or 1))
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
