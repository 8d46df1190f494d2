import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import SMALL
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MixtralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from anatomy.errors import EditError
from anatomy.models.block_tensors import has_experts
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.writers import residual_writers, writable_sites


def saved(config, folder):
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    return model, Checkpoint(folder)


@pytest.mark.parametrize("config", [LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config])
def test_module_and_checkpoint_agree(config, tmp_path):
    model, checkpoint = saved(config(**SMALL), tmp_path)
    writers = residual_writers(model)
    assert writers == residual_writers(checkpoint)
    assert len(writers) == 2 * 3
    assert (writers[2].name, writers[2].layer, writers[2].site) == ("model.layers.1.self_attn.o_proj", 1, "o_proj")
    for writer in writers:
        assert torch.equal(model.get_submodule(writer.name).weight, checkpoint.tensor(f"{writer.name}.weight"))
        assert writer.post_norm is (config in (Gemma2Config, Olmo2Config))
        assert not writer.bias


def test_embedding_comes_first_when_asked(tiny, tiny_folder):
    for source in (tiny.model, Checkpoint(tiny_folder)):
        writers = residual_writers(source, embedding=True)
        assert (writers[0].name, writers[0].layer, writers[0].site) == ("model.embed_tokens", -1, "embed_tokens")
        assert len(writers) == 9


def test_output_bias_is_seen(tmp_path):
    model, checkpoint = saved(LlamaConfig(**SMALL, attention_bias=True), tmp_path)
    assert residual_writers(model) == residual_writers(checkpoint)
    assert [writer.bias for writer in residual_writers(model)] == [True, False] * 3


MIXTRAL = MixtralConfig(**SMALL, num_local_experts=2, num_experts_per_tok=1)


def test_experts_are_refused_and_attention_beside_them_is_found(tmp_path):
    for source in saved(MIXTRAL, tmp_path):
        with pytest.raises(EditError, match=r"mixtures of experts in 3 of 3 blocks(.|\n)*sites: \[o_proj\]"):
            residual_writers(source)
        assert has_experts(source) and writable_sites(source) == ("o_proj",)
        writers = residual_writers(source, sites=["o_proj"])
        assert [writer.name for writer in writers] == [f"model.layers.{layer}.self_attn.o_proj" for layer in range(3)]


def test_one_block_of_experts_among_dense_ones_is_refused(tmp_path):
    """A down_proj in most blocks would make an edit of those look whole."""
    config = Qwen3MoeConfig(**SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, mlp_only_layers=[0, 2])
    for source in saved(config, tmp_path):
        with pytest.raises(EditError, match=r"1 of 3 blocks, such as model\.layers\.1"):
            residual_writers(source)
        assert len(residual_writers(source, sites=["o_proj"])) == 3


def test_shared_experts_are_experts(tmp_path):
    """Beside its experts such a block has a dense down_proj, which is not all that the block writes."""
    config = Qwen2MoeConfig(
        **SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16
    )
    for source in saved(config, tmp_path):
        with pytest.raises(EditError, match="mixtures of experts in 3 of 3"):
            residual_writers(source)
        assert len(residual_writers(source, sites=["o_proj"])) == 3


def test_incomplete_inventory_is_refused(tiny_folder, tmp_path):
    whole = Checkpoint(tiny_folder)
    dropped = "model.layers.2.mlp.down_proj.weight"
    save_file({n: whole.tensor(n) for n in whole.names() if n != dropped}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    with pytest.raises(EditError, match="layer 2, down_proj"):
        residual_writers(Checkpoint(tmp_path))


def test_a_matrix_of_unknown_use_is_refused(tiny_folder, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    model.model.layers[1].self_attn.gate_out = torch.nn.Linear(64, 64)
    whole = Checkpoint(tiny_folder)
    tensors = {name: whole.tensor(name) for name in whole.names()}
    tensors["model.layers.1.self_attn.gate_out.weight"] = torch.zeros(64, 64)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    for source in (model, Checkpoint(tmp_path)):
        with pytest.raises(EditError, match=r"model\.layers\.1\.self_attn\.gate_out\.weight \[64, 64\], a matrix of unknown use"):
            residual_writers(source)


def test_order_of_modules_does_not_matter(tmp_path):
    """Phi-3 names its output projection before the matrix that reads."""
    for source in saved(Phi3Config(**{key: value for key, value in SMALL.items() if key != "head_dim"}), tmp_path):
        assert [writer.site for writer in residual_writers(source)] == ["o_proj", "down_proj"] * 3


def test_a_stack_for_images_beside_the_language_model_is_passed_over(tiny_folder, tmp_path):
    whole = Checkpoint(tiny_folder)
    tensors = {name: whole.tensor(name) for name in whole.names()}
    tensors["vision_tower.layers.0.self_attn.out_proj.weight"] = torch.zeros(64, 64)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    assert residual_writers(Checkpoint(tmp_path)) == residual_writers(whole)
    tensors["vision_tower.layers.0.self_attn.o_proj.weight"] = torch.zeros(64, 64)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(EditError, match="2 stacks of blocks"):
        residual_writers(Checkpoint(tmp_path))


def test_a_language_model_inside_another_is_refused(tiny_folder, tmp_path):
    """Gemma 3 from 4 B on: the file's names are not those in memory, and adapters of those names would change nothing."""
    whole = Checkpoint(tiny_folder)
    save_file({f"language_model.{name}": whole.tensor(name) for name in whole.names()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    with pytest.raises(EditError, match=r"blocks under language_model\.model\.layers"):
        residual_writers(Checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"text_config": {"quantization_config": {"quant_method": "fp8"}, "num_hidden_layers": 4, "hidden_size": 64}}, "fp8"),
    ],
)
def test_quantised_checkpoints_are_refused(tiny_folder, tmp_path, stated, named):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | stated))
    checkpoint = Checkpoint(folder)
    assert checkpoint.quantisation == named and Checkpoint(tiny_folder).quantisation is None
    with pytest.raises(EditError, match=f"quantised with {named}"):
        residual_writers(checkpoint)


def test_weights_that_stand_beside_scales_are_refused_though_nothing_says_so(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    save_file(tensors | {name: tensors[name].to(torch.float8_e4m3fn)}, folder / "model.safetensors")
    with pytest.raises(EditError, match=r"model\.layers\.0\.mlp\.down_proj stored as F8_E4M3"):
        residual_writers(Checkpoint(folder))


def test_a_quantised_model_in_memory_is_refused(tiny_folder):
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    model.config.quantization_config = {"quant_method": "awq"}
    with pytest.raises(EditError, match="quantised with awq"):
        residual_writers(model)
