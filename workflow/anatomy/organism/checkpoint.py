"""Hugging Face folders of the organism's models, written whole or not at all."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

from anatomy.errors import ModelError
from anatomy.organism.recipe import Architecture


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
        raise ModelError(
            found="no model.safetensors", expected="a grown parent model", where=str(folder), remedy="grow it first"
        )
    return load_file(path)


def write_model(
    folder: Path,
    weights: dict[str, Tensor],
    shape: Architecture,
    tokenizer: PreTrainedTokenizerFast,
    card: dict[str, Any],
) -> None:
    """Write a LlamaForCausalLM folder with its tokenizer and `card.json`, aside, then rename it into place."""
    aside = folder.with_name(folder.name + f".aside-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        initializer_range=shape.init_std,
        tie_word_embeddings=False,
        dtype="float32",
        **special,
    ).save_pretrained(aside)
    GenerationConfig(do_sample=False, **special).save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    save_file({k: v.detach().contiguous() for k, v in weights.items()}, aside / "model.safetensors", {"format": "pt"})
    card = card | {"parameters": sum(t.numel() for t in weights.values()), "torch": torch.__version__}
    card["parameter_sha256"] = parameter_digest(weights)
    (aside / "card.json").write_text(json.dumps(card, indent=1))
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)
