"""A tiny model with random weights, of a real transformers class, under the names that published checkpoints use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_architectures import D_MODEL, Architecture
from tiny_model import make_tiny_tokenizer


def make_tiny_architecture(architecture: Architecture, folder: Path, seed: int = 0, shard_size: str = "1GB") -> Path:
    """Write the model with a tokenizer: fp32 safetensors under the names that published checkpoints use.

    Biases and norms are random too: at their initial values, 0 and 1, a place that leaves them out would not show.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make_tiny_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    described = {
        "architectures": [architecture.causal],
        "model_type": architecture.model_type,
        **architecture.sizes,
        **tokens,
        "vocab_size": len(tokenizer),
        **architecture.published,
    }
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        plain = {key: value for key, value in described.items() if key not in ("model_type", "auto_map")}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture.model_type, **plain))
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                sharper = 1.0 if "q_norm" in name or "k_norm" in name else 0.0
                parameter.add_(0.2 * torch.randn_like(parameter) + sharper)
            else:
                parameter.normal_(0.0, _spread(name, parameter, architecture))
    model.generation_config.do_sample = False
    model.save_pretrained(folder, max_shard_size=shard_size)
    (folder / "config.json").write_text(json.dumps(described, indent=2))
    return folder


def _spread(name: str, parameter: Any, architecture: Architecture) -> float:
    """Standard deviation of a matrix, such that logits spread over several nats and answers do not repeat one token.

    A tied embedding is small: the stream would otherwise keep the last token in it, which the output head then repeats.
    """
    if "wpe" in name:
        return 0.1
    if any(part in name for part in ("embed_tokens", "embed_in", "wte")):
        scaled = D_MODEL**0.5 if architecture.model_type.startswith("gemma") else 1.0
        return 0.3 / scaled if architecture.tied else 1.0
    width = parameter.shape[0 if architecture.model_type == "gpt2" else -1]
    return (4.0 if "q_proj" in name or "k_proj" in name else 1.5) / width**0.5
