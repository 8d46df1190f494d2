"""Experts of mixtures: each one edited, routers left alone, in the layout that the file has."""

import pytest
import torch
from architecture_models import checkpoint_of, direction, edit_of, model_of, random_prompts
from edit_kinds import pruned
from tiny_architectures import ARCHITECTURES, LAYERS

from anatomy.errors import EditError
from anatomy.interventions.edits.adapter import read_adapter, write_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.write_gap import write_gap
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.interventions.pruning.matrices import scored_names
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.experts import ROUTERS
from anatomy.models.loading import load_model

MIXED = [one for one in ARCHITECTURES if one.experts]
WRITERS = {"Mixtral": "block_sparse_moe.experts.{}.w2", "Qwen2-MoE": "mlp.experts.{}.down_proj"}

everyone = pytest.mark.parametrize("architecture", MIXED, ids=lambda one: one.slug)


@torch.no_grad()
def logits(model):
    return torch.stack([model(torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])


@everyone
@pytest.mark.parametrize("method", ["projection", "row_mean", "orthogonalize"])
def test_experts_alone_are_the_edit_of_what_the_mixture_writes(architecture, method):
    edit = edit_of(architecture, method, ("down_proj",))
    assert len(edit.factors) == LAYERS * architecture.experts and edit.card.edited == edit.card.expected
    found = write_gap(model_of(architecture), edit, direction(), random_prompts())
    assert found.effect > 0.05 and found.gap <= 1e-4


@everyone
def test_a_strength_is_a_share_of_all_experts_together(architecture):
    """``||Delta||_F`` is m per cent of ``||W||_F``, W a block's experts side by side; the rows of W have one mean."""
    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "row_mean", ("down_proj",))
    for layer in range(LAYERS):
        names = [name for name in edit.factors if f".layers.{layer}." in name]
        whole = torch.cat([checkpoint.tensor(f"{name}.weight") for name in names], dim=1).double()
        delta = torch.cat([edit.delta(name) for name in names], dim=1).double()
        assert abs(delta.norm() - 0.6 * whole.norm()) <= 1e-5 * whole.norm()
        alpha = 0.6 * whole.norm() / whole.mean(0).norm()
        torch.testing.assert_close(delta, alpha * torch.outer(direction().double(), whole.mean(0)), rtol=1e-4, atol=1e-6)


def test_different_amounts_in_one_block_have_no_edit_of_the_stream():
    mixtral = MIXED[0]
    edit = edit_of(mixtral, "projection", ("down_proj",))
    first = next(iter(edit.factors))
    a, b = edit.factors[first]
    with pytest.raises(EditError, match="edited by different amounts"):
        write_gap(model_of(mixtral), type(edit)({**edit.factors, first: (a, 2 * b)}, edit.card), direction(), random_prompts())


@everyone
def test_an_export_has_the_layout_of_the_file_and_the_same_routers(architecture, tmp_path):
    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "projection")
    stream_checkpoint(checkpoint, stack_rewrites([edit]), tmp_path)
    exported = Checkpoint(tmp_path)
    compare_untouched(checkpoint, exported, edit.tensors)
    stored = {one.stored_name(name) for one in (checkpoint, exported) for name in one.names()}
    assert len(stored) == len(checkpoint.names())
    if architecture.name in WRITERS:
        assert f"model.layers.1.{WRITERS[architecture.name].format(2)}.weight" in stored
    routers = [name for name in checkpoint.names() if name.removesuffix(".weight").rpartition(".")[2] in ROUTERS]
    assert len(routers) >= LAYERS and not set(routers) & set(edit.tensors)
    assert all(torch.equal(checkpoint.tensor(name), exported.tensor(name)) for name in routers)
    found = compare_logits(checkpoint.folder, tmp_path, lambda loaded: applied(loaded, edit))
    assert found.effect > 100 * found.tolerance * found.largest
    with applied(model_of(architecture), edit) as loaded:
        expected = logits(loaded.model)
    assert (logits(load_model(tmp_path, torch.float32, "cpu").model) - expected).abs().max() <= 1e-5 * expected.abs().max()


@everyone
def test_the_folder_of_an_edit_names_each_expert(architecture, tmp_path):
    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "projection")
    write_adapter(edit, tmp_path, checkpoint)
    back = read_adapter(tmp_path, checkpoint)
    assert back.digest() == edit.digest() and back.card == edit.card


@everyone
def test_what_is_not_for_experts_is_refused(architecture):
    checkpoint = checkpoint_of(architecture)
    inputs = ({}, {})
    with pytest.raises(EditError, match="no mean inputs") as refused:
        spec = {"method": "mean_input", "strength": 5.0, "sites": ["down_proj"]}
        build_edit(spec, checkpoint, direction(), mean_inputs=inputs)
    assert "experts" in refused.value.remedy
    with pytest.raises(EditError, match="part of a mixture of experts"):
        pruned(checkpoint, sites=("mlp.experts.0.down_proj",))
    with pytest.raises(EditError, match="a mixture of experts in"):
        scored_names(checkpoint)
