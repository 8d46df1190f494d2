"""What a block adds to the stream is what attention and MLP give, or the model is refused before it is read."""

import pytest
import torch
from tiny_model import SMALL, make_tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from anatomy.errors import AnatomyError, EditError, ModelError
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.stream_sum import require_sound_stream
from anatomy.models.writers import residual_writers

STATE_SPACE = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1}
LINEAR = {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
HYBRIDS = {
    "falcon_h1": {**STATE_SPACE, "mamba_chunk_size": 8},
    "bamba": {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "attn_layer_indices": [1]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1, "mamba_dt_rank": 4, "use_mamba_kernels": False},
    "qwen3_next": {"layer_types": ["linear_attention", "linear_attention", "full_attention"], **LINEAR, **EXPERTS},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False},
}
SCALED = {"granite": {"residual_multiplier": 0.22}, "granitemoe": {"residual_multiplier": 0.22, "num_local_experts": 2}}
SOUND = ("llama", "cohere", "stablelm", "olmo3", "glm4", "smollm3", "ministral")


def tiny(model_type, options=None):
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**SMALL, **(options or {})})
    return AutoModelForCausalLM.from_config(config).float().eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", SOUND)
def test_classes_that_add_up_pass_in_either_format(model_type, dtype):
    require_sound_stream(tiny(model_type).to(dtype), 0, "here")


@pytest.mark.parametrize("model_type", HYBRIDS)
def test_hybrids_are_refused_whole_for_every_site(model_type, tmp_path):
    """In parallel with attention or in turn with it: what a state space or a linear attention writes would be missed."""
    model = tiny(model_type, HYBRIDS[model_type])
    with pytest.raises(ModelError, match=r"blocks with one o_proj and one down_proj sublayer; .*layers\.0 has"):
        decoder_blocks(model)
    model.save_pretrained(tmp_path)
    for sites in (["o_proj"], ["down_proj"], ["o_proj", "down_proj"]):
        with pytest.raises(AnatomyError):
            residual_writers(model, sites=sites)
        with pytest.raises(EditError) as caught:
            residual_writers(Checkpoint(tmp_path), sites=sites)
        assert "experts" not in str(caught.value)


@pytest.mark.parametrize("model_type", SCALED)
def test_a_factor_between_sublayer_and_stream_is_refused_and_named(model_type):
    with pytest.raises(ModelError, match=r"adds 0\.22 times what its attention and MLP give"):
        require_sound_stream(tiny(model_type, SCALED[model_type]), 0, "here")


def test_a_third_write_is_refused_whatever_it_is_called():
    model = tiny("llama")
    block = decoder_blocks(model)[1].module
    block.register_forward_hook(lambda _m, _a, output: output + 0.3 * torch.ones_like(output))
    with pytest.raises(ModelError, match=r"model\.layers\.1 .* that neither of them gives"):
        require_sound_stream(model, 0, "here")


def test_a_model_that_reads_its_padding_is_refused():
    """As a recurrence does, which no mask of attention keeps from it."""
    model = tiny("llama")

    def earlier(_module, _args, output):
        return output + torch.ones_like(output).cumsum(1)

    decoder_blocks(model)[0].attention.o_proj.register_forward_hook(earlier)
    with pytest.raises(ModelError, match="a state that padding changes"):
        require_sound_stream(model, 0, "here")


def test_opening_a_folder_asks(tmp_path):
    model = tiny("granite", SCALED["granite"])
    model.save_pretrained(tmp_path)
    make_tiny_tokenizer(tmp_path)
    with pytest.raises(ModelError, match=r"GraniteDecoderLayer\), which adds 0\.22 times"):
        load_model(tmp_path, torch.float32, "cpu")
