"""Edits of every class: in memory, as adapters, and against the same edit of the residual stream."""

import re

import pytest
import torch
from architecture_models import checkpoint_of, direction, edit_of, model_of, random_prompts
from architecture_support import ADAPTED, EQUAL, VISIBLE, adapter_difference, stream_gap
from tiny_architectures import ARCHITECTURES, LAYERS

from anatomy.errors import EditError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.write_gap import write_gap
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.blocks import decoder_blocks

METHODS = ("projection", "row_mean", "orthogonalize")
POST_NORM = [one for one in ARCHITECTURES if one.post_norm]
OWN_EMBEDDING = [one for one in ARCHITECTURES if not (one.post_norm or one.tied)]


def logits(model):
    with torch.no_grad():
        return torch.stack([model(torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_edit_is_the_stream_edit_where_no_norm_comes_between(architecture, method):
    """ROSI, section 3, and Arditi et al. 2024, appendix E, say so of pre-norm models; elsewhere the gap is a finding."""
    found = stream_gap(architecture, method)
    assert found.effect > 0.05
    if architecture.post_norm:
        assert found.gap > 100 * EQUAL and edit_of(architecture, method).card.post_norm
    else:
        assert found.gap <= EQUAL and not edit_of(architecture, method).card.post_norm


@pytest.mark.parametrize("architecture", POST_NORM, ids=lambda one: one.slug)
def test_behind_a_norm_the_weight_edit_is_the_edit_of_what_the_norm_reads(architecture):
    """So the gap is the norm's doing, and not an edit that misses a matrix."""
    model, s = model_of(architecture).model, direction()

    def push(_module, _args, output):
        first = output[0] if isinstance(output, tuple) else output
        edited = first + 1.5 * (first @ s)[..., None] * s
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    blocks = decoder_blocks(model)
    handles = [module.register_forward_hook(push) for block in blocks for module in (block.attention, block.mlp)]
    before_the_norm = logits(model)
    for handle in handles:
        handle.remove()
    with applied(model_of(architecture), edit_of(architecture, "projection")):
        by_weights = logits(model)
    assert (by_weights - before_the_norm).abs().max() <= EQUAL * (by_weights - logits(model)).abs().max()


@pytest.mark.parametrize("architecture", OWN_EMBEDDING, ids=lambda one: one.slug)
def test_orthogonalised_writers_and_embedding_are_ablation_everywhere(architecture):
    spec = {"method": "orthogonalize", "sites": ["embed_tokens", "o_proj", "down_proj"]}
    loaded = model_of(architecture)
    with applied(loaded, build_edit(spec, checkpoint_of(architecture), direction())):
        by_weights = logits(loaded.model)
    everywhere = Intervention("ablate", tuple(range(LAYERS)), direction().expand(LAYERS, 1, -1), None, 1.0, SITES, "all")
    with intervening(loaded.model, [everywhere]):
        by_hooks = logits(loaded.model)
    assert (by_weights - by_hooks).abs().max() <= EQUAL * (by_weights - logits(loaded.model)).abs().max()


def test_an_edit_is_taken_back_bit_for_bit(architecture):
    loaded = model_of(architecture)
    before, plain = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}, logits(loaded.model)
    with applied(loaded, edit_of(architecture, "row_mean")):
        edited = set(edit_of(architecture, "row_mean").factors)
        changed = {name for name, tensor in loaded.model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed == {re.sub(r"(experts)\.\d+\.(\w+)\.weight$", r"\1.\2", f"{name}.weight") for name in edited}
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert torch.equal(logits(loaded.model), plain)


@pytest.mark.parametrize("method", ["projection", "row_mean"])
def test_an_adapter_is_the_edit_in_memory(architecture, method):
    found = adapter_difference(architecture, method)
    assert found.error <= ADAPTED and found.effect >= VISIBLE


def test_only_edits_of_what_is_written_have_a_stream_edit():
    llama = ARCHITECTURES[0]
    spec = {"method": "projection", "strength": 1.0, "sites": ["embed_tokens"]}
    embedding = build_edit(spec, checkpoint_of(llama), direction())
    with pytest.raises(EditError, match="embed_tokens"):
        write_gap(model_of(llama), embedding, direction(), random_prompts())
