import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model
from transformers import LlamaConfig, LlamaForCausalLM

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.low_rank import LowRankEdit, writer_matrix
from anatomy.interventions.edits.rank_one import build_edit, edit_factors
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.writers import residual_writers

EXACT = dict(rtol=1e-5, atol=1e-6)


def matrices(checkpoint, edit):
    for writer in residual_writers(checkpoint):
        if writer.name in edit.factors:
            yield writer.name, writer_matrix(checkpoint, writer), edit.delta(writer.name)


def test_inventory_is_every_writer(edit, checkpoint):
    assert edit.card.edited == edit.card.expected
    counts = {"layers": 4, "sites": 9 if "embed_tokens" in edit.card.spec.get("sites", []) else 4}
    narrowed = [key for key in counts if key in edit.card.spec]
    assert len(edit.factors) == (counts[narrowed[0]] if narrowed else 8)
    assert edit.card.rank == 1
    assert edit.card.model_digest == checkpoint.digest()


def test_row_mean_pushes_along_s_by_alpha_times_the_mean_coordinate(checkpoint, direction):
    """The identities that follow from ``W' = W + alpha s wbar^T`` (ROSI section 3)."""
    edit = build_edit({"method": "row_mean", "alpha": 3.0, "sign": 1}, checkpoint, direction)
    for _, weight, delta in matrices(checkpoint, edit):
        u = torch.randn(weight.shape[1], generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(delta @ u, 3.0 * direction * (weight @ u).mean(), **EXACT)
        torch.testing.assert_close(delta.norm(), 3.0 * weight.mean(0).norm(), **EXACT)
        # The push is only along s: what is orthogonal to it stays.
        across = torch.eye(64) - torch.outer(direction, direction)
        assert (across @ delta).abs().max() < 1e-6
        # It is neither a constant bias nor the projection form.
        assert (delta @ u - delta @ -u).norm() > 1e-3
        assert (delta - 3.0 * torch.outer(direction, direction @ weight)).norm() > 0.1 * delta.norm()


@pytest.mark.parametrize("method", ["row_mean", "mean_input"])
def test_strength_is_percent_of_the_frobenius_norm(checkpoint, direction, mean_inputs, method):
    edit = build_edit({"method": method, "strength": 4.0, "sign": 1}, checkpoint, direction, mean_inputs=mean_inputs)
    for name, weight, delta in matrices(checkpoint, edit):
        assert (delta.norm() / weight.norm()).item() == pytest.approx(0.04, rel=1e-5)
        assert edit.card.relative_norms[name] == pytest.approx(0.04, rel=1e-5)
        assert edit.card.norms[name] == pytest.approx(delta.norm().item(), rel=1e-5)


def test_projection_scales_what_is_written_along_s(checkpoint, direction):
    edit = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, direction)
    for _, weight, delta in matrices(checkpoint, edit):
        torch.testing.assert_close(direction @ (weight + delta), 1.5 * (direction @ weight), **EXACT)
        across = torch.eye(64) - torch.outer(direction, direction)
        torch.testing.assert_close(across @ (weight + delta), across @ weight, **EXACT)


def test_orthogonalized_weights_write_nothing_along_s(checkpoint, direction):
    edit = build_edit({"method": "orthogonalize"}, checkpoint, direction)
    assert edit.card.intent == "measure"
    for _, weight, delta in matrices(checkpoint, edit):
        assert (direction @ (weight + delta)).abs().max() < 1e-5


def test_mean_input_separates_the_two_sets_along_s(checkpoint, direction, mean_inputs):
    spec = {"method": "mean_input", "strength": 4.0, "sign": 1}
    edit = build_edit(spec, checkpoint, direction, mean_inputs=mean_inputs)
    for name, weight, delta in matrices(checkpoint, edit):
        gap = mean_inputs[0][name] - mean_inputs[1][name]
        shift = direction.double() @ delta.double() @ gap
        assert shift.item() == pytest.approx(0.04 * weight.norm().item() * gap.norm().item(), rel=1e-4)


def test_sign_turns_the_edit_round(checkpoint, direction):
    spec = {"method": "row_mean", "strength": 2.0, "sign": 1}
    plus, minus = (build_edit(spec | {"sign": sign}, checkpoint, direction) for sign in (1, -1))
    assert (plus.card.intent, minus.card.intent) == ("amplify", "measure")
    for name in plus.factors:
        assert torch.equal(plus.delta(name), -minus.delta(name))


def test_surviving_share_of_the_cast_to_bf16(checkpoint, direction):
    """An edit far below the spacing of bfloat16 is lost in part; a large one survives."""
    large = build_edit({"method": "projection", "strength": 1.0, "sign": 1}, checkpoint, direction)
    assert large.card.surviving_share == pytest.approx(1.0, abs=0.02)
    for name, weight, delta in matrices(checkpoint, large):
        cast = (weight + delta).bfloat16().float() - weight
        expected = ((cast * delta).sum() / delta.square().sum()).item()
        assert large.card.surviving[name] == pytest.approx(expected, abs=1e-4)


def test_surviving_share_of_weights_stored_in_bf16(tiny_folder, tmp_path, direction):
    folder = shutil.copytree(tiny_folder, tmp_path / "bf16")
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tiny_edit = build_edit({"method": "row_mean", "alpha": 1e-6, "sign": 1}, Checkpoint(folder), direction)
    assert tiny_edit.card.surviving_share < 0.5


def test_digest_follows_factors_and_model(checkpoint, direction, other_folder):
    spec = {"method": "projection", "strength": 0.5, "sign": 1}
    edit = build_edit(spec, checkpoint, direction)
    assert edit.digest() == build_edit(dict(spec), checkpoint, direction.clone()).digest()
    assert edit.digest() == build_edit(spec | {"direction": {"position": -1}}, checkpoint, direction).digest()
    others = [
        build_edit(spec | {"strength": 0.25}, checkpoint, direction),
        build_edit(spec, checkpoint, isotropic(64, 8)),
        build_edit(spec, Checkpoint(other_folder), direction),
    ]
    assert len({edit.digest(), *(other.digest() for other in others)}) == 4


def test_missing_factors_are_refused(checkpoint, direction):
    edit = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, direction)
    dropped = "model.layers.2.mlp.down_proj"
    with pytest.raises(EditError, match=r"model\.layers\.2\.mlp\.down_proj"):
        LowRankEdit({name: pair for name, pair in edit.factors.items() if name != dropped}, edit.card)


def test_tied_embeddings_are_refused(tmp_path, direction):
    tied = Checkpoint(make_tiny_model(tmp_path, layers=3, tied=True))
    spec = {"method": "projection", "strength": 0.5, "sign": 1}
    assert len(build_edit(spec, tied, direction).factors) == 6
    with pytest.raises(EditError, match="tied input and output embeddings"):
        build_edit(spec | {"sites": ["embed_tokens"]}, tied, direction)


def test_factors_of_an_orthogonalisation_past_an_output_bias_are_refused(tmp_path):
    shapes = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2)
    config = LlamaConfig(**shapes, attention_bias=True)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(EditError, match="output biases"):
        edit_factors({"method": "orthogonalize"}, Checkpoint(tmp_path), isotropic(32, 0))


def test_directions_that_do_not_fit_are_refused(checkpoint, direction):
    spec = {"method": "projection", "strength": 0.5, "sign": 1}
    with pytest.raises(EditError, match="a unit vector of 64"):
        build_edit(spec, checkpoint, 2.0 * direction)
    with pytest.raises(EditError, match="32 numbers"):
        build_edit(spec, checkpoint, isotropic(32, 0))
    with pytest.raises(EditError, match="layers \\[4\\]"):
        build_edit(spec | {"layers": [3, 4]}, checkpoint, direction)
    with pytest.raises(EditError, match="hook edits"):
        build_edit({"method": "ablate"}, checkpoint, direction)


def test_mean_input_needs_inputs_that_differ(checkpoint, direction, mean_inputs):
    spec = {"method": "mean_input", "strength": 4.0, "sign": 1}
    with pytest.raises(EditError, match="no mean inputs"):
        build_edit(spec, checkpoint, direction)
    with pytest.raises(NumericsError, match="difference of mean inputs"):
        build_edit(spec, checkpoint, direction, mean_inputs=(mean_inputs[0], mean_inputs[0]))
