"""Tiny random models that see around a language model, as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_model import make_tiny_tokenizer

LAYERS, D_MODEL = 3, 64
TEXT: dict[str, Any] = {
    "hidden_size": D_MODEL,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
}
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]}}
SEES = {"num_hidden_layers": LAYERS, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gemma3": (
        {"head_dim": 32, "sliding_window": 16, "query_pre_attn_scalar": 32},
        {"hidden_size": 32, "intermediate_size": 48, **SEES},
    ),
    "qwen2_vl": (MROPE, {"depth": LAYERS, "embed_dim": 32, "hidden_size": D_MODEL, "num_heads": 2, "mlp_ratio": 2}),
    "qwen2_5_vl": (
        MROPE,
        {"depth": LAYERS, "hidden_size": 32, "out_hidden_size": D_MODEL, "num_heads": 2, "intermediate_size": 48},
    ),
}
"""By ``model_type``: what its language model and its stack for images are besides, the latter as deep as the former."""


def make_seeing_model(model_type: str, folder: Path) -> Path:
    """Write a random model with a tokenizer, all weights of the language model larger than fresh ones."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

    make_tiny_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    text, sees = MODELS[model_type]
    more = {"mm_tokens_per_image": 4} if model_type == "gemma3" else {"tie_word_embeddings": False}
    words = {**TEXT, **text, **tokens, "vocab_size": len(tokenizer)}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        config = AutoConfig.for_model(model_type, text_config=words, vision_config=sees, **more)
        model = AutoModelForImageTextToText.from_config(config)
        for name, parameter in model.named_parameters():
            if "language_model" in name and parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif ("language_model" in name or "lm_head" in name) and parameter.ndim == 2:
                tied = "embed_tokens" in name and model_type == "gemma3"
                parameter.normal_(0.0, 0.04 if tied else 1.0 if "embed_tokens" in name else 1.5 / parameter.shape[1] ** 0.5)
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == model_type
    return folder
