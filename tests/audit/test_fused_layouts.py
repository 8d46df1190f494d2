"""A checkpoint that keeps several matrices in one tensor beside one that keeps them apart."""

import pytest
import torch
from architecture_models import architecture_folder, model_of
from audited_checkpoints import configured, rank_one, rewritten, with_fused_experts, with_fused_matrices
from tiny_architectures import ARCHITECTURES
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.audit.behaviour import edited_change
from anatomy.audit.in_memory import as_in_memory
from anatomy.audit.kinds import Kind
from anatomy.audit.weights import audit_weights
from anatomy.errors import ModelError
from anatomy.interventions.edits.apply import changed_tensors
from anatomy.models.checkpoint import Checkpoint

MIXTURE = next(one for one in ARCHITECTURES if one.name == "Qwen3-MoE")
FUSED = {"matrices": with_fused_matrices, "experts": with_fused_experts}


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return Checkpoint(make_tiny_model(tmp_path_factory.mktemp("models") / "original", layers=2))


@pytest.fixture(scope="module", params=FUSED)
def layouts(request, dense, tmp_path_factory):
    """The original and a change of it, both as they are and fused: removal along a direction, and noise in one reader a block."""
    folder, fused = tmp_path_factory.mktemp("models"), FUSED[request.param]
    original = dense if request.param == "matrices" else Checkpoint(architecture_folder(MIXTURE))
    removed = rank_one(original, "projection", -1, folder / "removed")

    def noisy(name, tensor):
        return tensor + 0.01 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)) if ".up_" in name else tensor

    edited = rewritten(removed, folder / "edited", noisy)
    return original, edited, fused(original, folder / "fused"), fused(edited, folder / "edited fused")


def told(audit):
    columns = ["tensor", "kind", "relative norm", "entries changed", "rank", "gain"]
    return audit.table()[columns].sort_values("tensor", ignore_index=True)


def test_what_one_side_fuses_is_compared_as_the_original_has_it(layouts):
    original, edited, fused, edited_fused = layouts
    for before, after, alike in ((original, edited_fused, edited), (fused, edited, edited_fused)):
        found, expected = audit_weights(before, after), audit_weights(before, alike)
        assert told(found).equals(told(expected)) and found.counts == expected.counts and found.likely == expected.likely
        assert {one.pair.shape for one in found.found} == {one.pair.shape for one in expected.found}
        assert any("gate_up_proj" in note for note in found.notes) and not expected.notes
    assert audit_weights(original, fused).likely == audit_weights(fused, original).likely == Kind.NOTHING


def test_what_is_fused_is_changed_in_memory_as_in_the_file(tmp_path):
    original = Checkpoint(architecture_folder(MIXTURE))
    edited = rewritten(original, tmp_path / "edited", lambda _, tensor: tensor * 1.01 if tensor.ndim > 1 else tensor)
    fused, loaded = with_fused_experts(edited, tmp_path / "fused"), model_of(MIXTURE)
    changes = {one.pair.name: edited_change(one.pair) for one in audit_weights(original, fused).changed}
    expected = dict(load_tiny_model(edited.folder).model.named_parameters())
    with changed_tensors(loaded, as_in_memory(loaded.model, changes)):
        assert all(torch.equal(weight, expected[name]) for name, weight in loaded.model.named_parameters())


def test_a_prefix_and_a_fused_matrix_are_both_seen_through(dense, tmp_path):
    fused = with_fused_matrices(dense, tmp_path / "fused")
    renamed = rewritten(fused, tmp_path / "renamed", lambda _, tensor: tensor, lambda name: name.removeprefix("model."))
    found = audit_weights(dense, renamed)
    assert found.likely == Kind.NOTHING and len(found.notes) == 3


def test_a_tensor_whose_rows_are_not_its_parts_is_refused_by_name(dense, tmp_path):
    def cut(name, tensor):
        return tensor[:-1] if "0.mlp.gate_up_proj" in name else tensor

    fused = rewritten(with_fused_matrices(dense, tmp_path / "fused"), tmp_path / "cut", cut)
    with pytest.raises(ModelError, match=r"layers.0.mlp.gate_up_proj.* where the original has gate_proj and up_proj"):
        audit_weights(dense, fused)
    with pytest.raises(ModelError, match="where the edited checkpoint has gate_proj and up_proj"):
        audit_weights(fused, dense)


def test_experts_that_multiply_the_other_way_round_are_not_compared_with_separate_ones(tmp_path):
    """As Llama 4's: what is one matrix below the other in one file is side by side in the other."""
    mixture = Checkpoint(architecture_folder(MIXTURE))
    original = configured(rewritten(mixture, tmp_path / "original", lambda _, tensor: tensor), model_type="llama4_text")
    fused = with_fused_experts(original, tmp_path / "fused")
    with pytest.raises(ModelError, match="save it as the other was saved"):
        audit_weights(original, fused)
