import pytest
import torch
from tiny_model import SMALL
from transformers import AutoModelForCausalLM, Gemma2Config, GPTJConfig, Olmo2Config, Qwen2Config

from anatomy.errors import ModelError
from anatomy.models.blocks import decoder_blocks


def written(model):
    """Per block: its input, what the write modules give, its output."""
    seen, handles = {}, []
    for block in decoder_blocks(model):
        for key, module in (("block", block.module), ("att", block.attention_write), ("mlp", block.mlp_write)):

            def keep(_, args, kwargs, output, key=(block.layer, key)):
                first = args[0] if args else kwargs.get("hidden_states")
                seen[key] = (first, output[0] if isinstance(output, tuple) else output)

            handles.append(module.register_forward_hook(keep, with_kwargs=True))
    model(torch.arange(1, 9)[None])
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("config", [Qwen2Config, Gemma2Config, Olmo2Config])
def test_writes_add_up_to_the_block(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config(**SMALL)).eval()
    with torch.no_grad():
        seen = written(model)
    for layer in range(3):
        before, after = seen[layer, "block"]
        total = before + seen[layer, "att"][1] + seen[layer, "mlp"][1]
        torch.testing.assert_close(total, after, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("config", "post_norm"), [(Qwen2Config, False), (Gemma2Config, True), (Olmo2Config, True)])
def test_post_norm_blocks_are_seen(config, post_norm):
    blocks = decoder_blocks(AutoModelForCausalLM.from_config(config(**SMALL)))
    assert [block.post_norm for block in blocks] == [post_norm] * 3
    assert [block.name for block in blocks] == [f"model.layers.{layer}" for layer in range(3)]


def test_unknown_structure_is_refused():
    model = AutoModelForCausalLM.from_config(GPTJConfig(n_layer=2, n_embd=16, n_head=2, vocab_size=50, rotary_dim=4))
    with pytest.raises(ModelError, match="0 lists of 2 blocks"):
        decoder_blocks(model)
