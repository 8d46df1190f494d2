import pytest
import torch
from safetensors.torch import save_file
from tiny_model import SMALL
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, MixtralConfig, Olmo2Config, Qwen2Config

from anatomy.errors import EditError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.writers import residual_writers


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


def test_experts_are_refused(tmp_path):
    model, checkpoint = saved(MixtralConfig(**SMALL, num_local_experts=2, num_experts_per_tok=1), tmp_path)
    for source in (model, checkpoint):
        with pytest.raises(EditError):
            residual_writers(source)


def test_incomplete_inventory_is_refused(tiny_folder, tmp_path):
    whole = Checkpoint(tiny_folder)
    dropped = "model.layers.2.mlp.down_proj.weight"
    save_file({n: whole.tensor(n) for n in whole.names() if n != dropped}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    with pytest.raises(EditError, match="layer 2, down_proj"):
        residual_writers(Checkpoint(tmp_path))


def test_renamed_projection_is_refused(tiny_folder):
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    attention = model.model.layers[1].self_attn
    attention.gate_out = torch.nn.Linear(64, 64)
    with pytest.raises(EditError, match="layer 1, o_proj"):
        residual_writers(model)
