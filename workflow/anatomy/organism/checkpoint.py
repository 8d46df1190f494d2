"""Hugging Face folders of the organism's models, written whole or not at all."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.organism.network import EPSILON
from anatomy.organism.recipe import Architecture


@dataclass(frozen=True)
class TokenFolder:
    """A tokenizer's files, and the ids a model's config names."""

    folder: Path
    eos: int
    pad: int


def parameter_digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of all parameters, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Parameters of a grown model, fp32, by their Hugging Face names."""
    path = folder / "model.safetensors"
    if not path.is_file():
        raise ModelError(found="no model.safetensors", expected="a grown parent model", where=str(folder), remedy="grow it first")
    return load_file(path)


def write_model(folder: Path, weights: dict[str, Tensor], shape: Architecture, tokens: TokenFolder, card: dict[str, Any]) -> None:
    """Write a LlamaForCausalLM folder with its tokenizer and `card.json`, aside, then rename it into place."""
    aside = folder.with_name(folder.name + f".aside-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    special = {"bos_token_id": None, "eos_token_id": tokens.eos, "pad_token_id": tokens.pad}
    _write_json(aside / "config.json", _llama_config(shape, weights["lm_head.weight"].shape[0]) | special)
    _write_json(aside / "generation_config.json", {"do_sample": False} | special)
    for file in tokens.folder.iterdir():
        shutil.copyfile(file, aside / file.name)
    save_file({k: v.detach().contiguous() for k, v in weights.items()}, aside / "model.safetensors", {"format": "pt"})
    card = card | {"parameters": sum(t.numel() for t in weights.values()), "torch": torch.__version__}
    card["parameter_sha256"] = parameter_digest(weights)
    _write_json(aside / "card.json", card)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)


def _llama_config(shape: Architecture, vocabulary: int) -> dict[str, Any]:
    """What transformers' LlamaConfig would write; by hand, because importing transformers outlasts a short training."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.width // shape.heads,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "initializer_range": shape.init_std,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "use_cache": True,
        "dtype": "float32",
    }


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")
