import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import SMALL
from transformers import (
    AutoConfig,
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
from anatomy.models.writers import residual_writers, sites_with_inputs


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


def test_every_expert_writes_and_attention_alone_has_an_input_at_each_token(tmp_path):
    for source in saved(MIXTRAL, tmp_path):
        writers = residual_writers(source, sites=["down_proj"])
        assert [writer.name for writer in writers] == [
            f"model.layers.{layer}.mlp.experts.{number}.down_proj" for layer in range(3) for number in range(2)
        ]
        assert has_experts(source) and sites_with_inputs(source) == ("o_proj",)
        writers = residual_writers(source, sites=["o_proj"])
        assert [writer.name for writer in writers] == [f"model.layers.{layer}.self_attn.o_proj" for layer in range(3)]


def test_a_block_of_experts_among_dense_ones_has_all_of_them(tmp_path):
    config = Qwen3MoeConfig(**SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, mlp_only_layers=[0, 2])
    for source in saved(config, tmp_path):
        assert [writer.layer for writer in residual_writers(source, sites=["down_proj"])] == [0, 1, 1, 1, 1, 2]
        assert len(residual_writers(source, sites=["o_proj"])) == 3


def test_shared_experts_are_experts(tmp_path):
    """Beside its experts such a block has a dense down_proj, which is not all that the block writes."""
    config = Qwen2MoeConfig(
        **SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16
    )
    for source in saved(config, tmp_path):
        names = [writer.name for writer in residual_writers(source, sites=["down_proj"])]
        assert len(names) == 15 and names[4] == "model.layers.0.mlp.shared_expert.down_proj"


def changed(folder, out, change):
    """A copy of a folder whose tensors went through a function."""
    out.mkdir()
    tensors = {name: tensor.contiguous() for name, tensor in change(load_file(folder / "model.safetensors")).items()}
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text((folder / "config.json").read_text())
    return Checkpoint(out)


def test_a_missing_expert_is_named(tmp_path):
    _, whole = saved(MIXTRAL, tmp_path)
    for number in (0, 1):
        lost = f"model.layers.1.block_sparse_moe.experts.{number}.w2.weight"
        short = changed(whole.folder, tmp_path / str(number), lambda one, lost=lost: {k: v for k, v in one.items() if k != lost})
        with pytest.raises(EditError, match=r"matrices of 1 experts in model\.layers\.1"):
            residual_writers(short)


def test_experts_in_one_tensor_of_the_file_are_refused_and_attention_beside_them_is_found(tmp_path):
    config = Qwen3MoeConfig(**SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
    model, whole = saved(config, tmp_path)

    def fused(tensors):
        own = {name: tensor for name, tensor in tensors.items() if ".experts." not in name}
        return own | {name: tensor for name, tensor in model.state_dict().items() if ".experts." in name}

    one = changed(whole.folder, tmp_path / "fused", fused)
    with pytest.raises(
        EditError, match=r"model\.layers\.0\.mlp\.experts\.down_proj, the experts of a block in one tensor"
    ) as refused:
        residual_writers(one)
    assert "save_pretrained" in refused.value.remedy
    assert len(residual_writers(one, sites=["o_proj"])) == 3


def test_experts_that_multiply_the_other_way_round_are_refused():
    """GPT-OSS: [expert, d_in, d_model], with biases."""
    config = AutoConfig.for_model("gpt_oss", **SMALL, num_local_experts=2, num_experts_per_tok=1)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(EditError) as refused:
        residual_writers(model)
    assert "sites: [o_proj]" in refused.value.remedy
    assert len(residual_writers(model, sites=["o_proj"])) == 3


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
