"""Opening scorers, and ImBD's form: a LoRA merged into its base."""

import json

import pytest
import torch
from safetensors.torch import save_file

from anatomy.errors import ModelError
from anatomy.models.scorer import open_scorer
from anatomy.texts.detectors.curvature import Curvature
from anatomy.texts.detectors.pair import Reading, ScorerPair

TEXT = "Please write a short note about the moon and the garden."


@pytest.fixture
def adapter(tmp_path, tiny):
    """A LoRA of rank 2 on the query projections, as PEFT writes it."""
    layers, width = tiny.num_layers, tiny.d_model
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for layer in range(layers):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(2, width, generator=draw)
        tensors[f"{name}.lora_B.weight"] = torch.randn(64, 2, generator=draw)
    save_file(tensors, tmp_path / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "x",
        "r": 2,
        "lora_alpha": 4,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj"],
        "inference_mode": True,
        "fan_in_fan_out": False,
    }
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    return tmp_path, tensors


def test_an_adapter_is_merged_with_its_scaling(tiny, tiny_folder, adapter):
    folder, tensors = adapter
    tuned, base = open_scorer(tiny_folder, torch.float32, "cpu", folder), open_scorer(tiny_folder, torch.float32, "cpu")
    weight = tuned.model.model.layers[1].self_attn.q_proj.weight
    name = "base_model.model.model.layers.1.self_attn.q_proj"
    expected = base.model.model.layers[1].self_attn.q_proj.weight + 2.0 * (
        tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
    )
    assert torch.allclose(weight, expected, atol=1e-5) and tuned.digest != base.digest
    scores = [
        Curvature(ScorerPair(one, one), Reading(64, min_tokens=4), None, name="imbd").detect([TEXT])[0].score
        for one in (tuned, base)
    ]
    assert scores[0] != pytest.approx(scores[1], abs=1e-3)


def test_pickles_and_missing_weights_are_refused(tiny_folder, tmp_path):
    (tmp_path / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="safetensors"):
        open_scorer(tiny_folder, torch.float32, "cpu", tmp_path)
    with pytest.raises(ModelError):
        open_scorer(tmp_path, torch.float32, "cpu")


def test_any_architecture_with_logits_scores(tmp_path, tiny):
    """GPT-Neo, ImBD's base, has other names for its widths than the models under study."""
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    torch.manual_seed(0)
    config = GPTNeoConfig(
        vocab_size=len(tiny.tokenizer),
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        max_position_embeddings=64,
        attention_types=[[["global", "local"], 1]],
        bos_token_id=1,
        eos_token_id=2,
    )
    GPTNeoForCausalLM(config).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    scorer = open_scorer(tmp_path, torch.float32, "cpu")
    found = Curvature(ScorerPair(scorer, scorer), Reading(64, max_tokens=64, min_tokens=4), None).detect([TEXT])
    assert found[0].excluded == ""
