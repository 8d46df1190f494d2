"""Rank-1 edits of o_proj and down_proj for tests: as a PEFT adapter, and applied to a module in memory."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def writers(model: torch.nn.Module):
    """Name and module of every matrix that writes into the residual stream, as the adapter names them."""
    for layer, block in enumerate(model.model.layers):
        yield f"model.layers.{layer}.self_attn.o_proj", block.self_attn.o_proj
        yield f"model.layers.{layer}.mlp.down_proj", block.mlp.down_proj


def rank_one_factors(model: torch.nn.Module, seed: int, strength: float) -> dict[str, tuple]:
    """``W' = W + strength * s s^T W`` with a random unit s: for each matrix ``A = s^T W`` and ``B = strength * s``."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(model.config.hidden_size, generator=generator)
    direction /= direction.norm()
    return {
        name: ((direction @ module.weight)[None].contiguous(), strength * direction[:, None].contiguous())
        for name, module in writers(model)
    }


def write_rank_one(folder: Path, factors: dict[str, tuple], rank: int = 1, targets=("o_proj", "down_proj")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(targets),
        "base_model_name_or_path": "",
        "inference_mode": True,
        "fan_in_fan_out": False,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensors = {}
    for name, (a, b) in factors.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = a.clone()
        tensors[f"base_model.model.{name}.lora_B.weight"] = b.clone()
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def apply_in_memory(model: torch.nn.Module, factors: dict[str, tuple]) -> None:
    with torch.no_grad():
        for name, module in writers(model):
            a, b = factors[name]
            module.weight += b @ a
