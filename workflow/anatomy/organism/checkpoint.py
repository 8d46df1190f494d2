"""Hugging Face folders of the organism's models, written whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.organism.network import EPSILON
from anatomy.organism.recipe import Architecture
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class TokenFolder:
    """A tokenizer's files, and the ids a model's config names."""

    folder: Path
    eos: int
    pad: int


class TrainingCard(TypedDict):
    """How a member was trained.

    Attributes:
        member, parent: names in the family; None for the base's parent.
        recipe, recipe_sha256: every choice of the family, and its digest.
        threads: parts of a step computed at a time; changes no bit.
        matrix_dtype: number format of products with weights.
        losses: of each step.
    """

    member: str
    parent: str | None
    seed: int
    recipe: JsonObject
    recipe_sha256: str
    threads: int
    matrix_dtype: str
    steps: int
    losses: list[float]
    wall_seconds: float


class MemberCard(TrainingCard):
    """``card.json`` of a grown member: how it was trained, and what came of it."""

    parameters: int
    torch: str
    parameter_sha256: str


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


def write_model(folder: Path, weights: dict[str, Tensor], shape: Architecture, tokens: TokenFolder, card: TrainingCard) -> None:
    """Write a LlamaForCausalLM folder with its tokenizer and `card.json`, aside, then rename it into place."""
    aside = folder.with_name(folder.name + f".aside-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    special: JsonObject = {"bos_token_id": None, "eos_token_id": tokens.eos, "pad_token_id": tokens.pad}
    _write_json(aside / "config.json", _llama_config(shape, weights["lm_head.weight"].shape[0]) | special)
    _write_json(aside / "generation_config.json", {"do_sample": False} | special)
    for file in tokens.folder.iterdir():
        shutil.copyfile(file, aside / file.name)
    save_file({k: v.detach().contiguous() for k, v in weights.items()}, aside / "model.safetensors", {"format": "pt"})
    whole: MemberCard = {
        **card,
        "parameters": sum(t.numel() for t in weights.values()),
        "torch": torch.__version__,
        "parameter_sha256": parameter_digest(weights),
    }
    _write_json(aside / "card.json", whole)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)


def _llama_config(shape: Architecture, vocabulary: int) -> JsonObject:
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


def _write_json(path: Path, data: Mapping[str, object]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")
