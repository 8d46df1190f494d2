"""Every matrix of attention and MLP is scored; what cannot be scored is refused in words."""

import pytest
import torch
from made_architecture import make_tiny_architecture
from safetensors.torch import load_file, save_file
from tiny_architectures import ARCHITECTURES
from tiny_model import make_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.pruning.matrices import scored_matrices, scored_names
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model


def test_names_are_those_of_attention_and_mlp(tmp_path):
    names = scored_names(Checkpoint(make_tiny_model(tmp_path, layers=2)))
    parts = {name.split(".", 3)[3] for name in names}
    assert parts == {f"self_attn.{part}_proj" for part in "qkvo"} | {f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    assert len(names) == 14


@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one.experts], ids=lambda one: one.slug)
def test_experts_are_refused(architecture, tmp_path):
    with pytest.raises(EditError, match="mixture of experts"):
        scored_names(Checkpoint(make_tiny_architecture(architecture, tmp_path)))


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        ("weight", torch.int8),
        ("weight", torch.uint8),
        ("weight", torch.float8_e4m3fn),
        ("qweight", torch.int32),
        ("weight_scale", torch.float32),
        ("weight.absmax", torch.float32),
    ],
)
def test_quantised_weights_are_refused(stored, dtype, tmp_path):
    """As bitsandbytes, FP8 checkpoints and GPTQ store them: under the weight's name, or beside it."""
    folder = make_tiny_model(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj"
    tensors[f"{name}.{stored}"] = tensors[f"{name}.weight"].to(dtype).clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EditError, match=r"(?s)quantised weights: model\.layers\.1\.mlp\.up_proj"):
        scored_names(Checkpoint(folder))


def test_fused_projections_are_matrices_like_others(tmp_path):
    """Phi-3 has q, k and v in one matrix, and gate and up in another."""
    (phi,) = [one for one in ARCHITECTURES if one.model_type == "phi3"]
    folder = make_tiny_architecture(phi, tmp_path)
    matrices = scored_matrices(load_model(folder, torch.float32, "cpu"), Checkpoint(folder))
    parts = {name.split(".", 3)[3] for name in matrices}
    assert parts == {"self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"}


@pytest.mark.parametrize("layer", ["linear_attn.in_proj_qkv", "feed_forward.up_proj", "mamba.in_proj"])
def test_layers_that_are_neither_attention_nor_mlp_are_not_left_out_in_silence(layer, tmp_path):
    """As hybrids have them: Qwen3.5 and OLMo's linear attention, Falcon-H1."""
    folder = make_tiny_model(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors[f"model.layers.2.{layer}.weight"] = torch.zeros(8, 64)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EditError, match=rf"(?s)outside attention and MLP: model\.layers\.2\.{layer}\.weight"):
        scored_names(Checkpoint(folder))


def test_single_maps_of_a_block_are_no_layers_of_their_own(tmp_path):
    """Gemma 4's gates of per-layer inputs."""
    folder = make_tiny_model(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.2.per_layer_input_gate.weight"] = torch.zeros(8, 64)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert len(scored_names(Checkpoint(folder))) == 28


def test_tied_matrices_are_refused(tmp_path):
    folder = make_tiny_model(tmp_path)
    loaded = load_model(folder, torch.float32, "cpu")
    blocks = loaded.model.model.layers
    blocks[2].mlp.up_proj.weight = blocks[0].mlp.up_proj.weight
    with pytest.raises(EditError, match=r"model\.layers\.0\.mlp\.up_proj tied to model\.layers\.2\.mlp\.up_proj"):
        scored_matrices(loaded, Checkpoint(folder))


def test_tied_embeddings_do_not_matter(tmp_path):
    folder = make_tiny_model(tmp_path, tied=True)
    assert len(scored_matrices(load_model(folder, torch.float32, "cpu"), Checkpoint(folder))) == 28
