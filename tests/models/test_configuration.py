"""What config.json alone decides: code of its own, attention with capped logits."""

import json
import shutil

import pytest
import torch
from tiny_model import SMALL, make_tiny_tokenizer
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, LlamaConfig

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import attention_implementation
from anatomy.models.loading import load_model


@pytest.fixture
def folder_with(tiny_folder, tmp_path):
    def make(**stated):
        folder = shutil.copytree(tiny_folder, tmp_path / "model")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | stated))
        (folder / "code.py").write_text("raise SystemExit('remote code ran')")
        # Whatever is refused is refused before weights are looked at.
        (folder / "model.safetensors").unlink()
        return folder

    return make


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"model_type": "unheard_of", "architectures": ["UnheardForCausalLM"]}, "UnheardForCausalLM"),
        ({"model_type": "llama", "architectures": ["OwnLlamaForCausalLM"]}, "OwnLlamaForCausalLM"),
        ({"model_type": "unheard_of", "architectures": None}, "CausalModel"),
    ],
)
def test_a_class_of_its_own_is_refused_and_named_before_weights_are_read(folder_with, stated, named):
    code = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.CausalModel"}
    with pytest.raises(ModelError, match=named) as caught:
        Checkpoint(folder_with(**stated, auto_map=code))
    assert "code.CausalModel" in str(caught.value) and "without remote code" in str(caught.value)


def test_code_beside_a_class_that_transformers_has_is_left_alone(folder_with):
    """Phi-3 is published with code that nobody needs any more."""
    code = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.LlamaForCausalLM"}
    folder = folder_with(auto_map=code)
    with pytest.raises(ModelError, match="no weights"):
        Checkpoint(folder)


def test_capped_attention_is_computed_by_code_that_caps(tmp_path):
    """transformers' fused attention leaves the cap out without a word."""
    make_tiny_tokenizer(tmp_path)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(Gemma2Config(**SMALL, attn_logit_softcapping=0.5))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter.normal_(0.0, 1.0)
    model.save_pretrained(tmp_path)
    loaded, ids = load_model(tmp_path, torch.float32, "cpu").model, torch.arange(3, 40)[None]
    found = {"loaded": loaded(ids).logits}
    for way in ("eager", "sdpa"):
        found[way] = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation=way).eval()(ids).logits.detach()
    torch.testing.assert_close(found["loaded"], found["eager"], rtol=0, atol=1e-6)
    assert (found["sdpa"] - found["eager"]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Gemma2Config(**SMALL), "eager"),
        (Gemma2Config(**SMALL, attn_logit_softcapping=None), "sdpa"),
        (Gemma3TextConfig(**SMALL), "sdpa"),
        (LlamaConfig(**SMALL), "sdpa"),
    ],
)
def test_attention_without_a_cap_is_fused(config, expected):
    assert attention_implementation(config) == expected
