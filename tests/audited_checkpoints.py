"""Copies of a tiny checkpoint to which something known was done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from edit_kinds import pruned, trained
from safetensors import safe_open
from safetensors.torch import save_file

from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint


def exported(checkpoint: Checkpoint, edit, folder: Path) -> Checkpoint:
    """A checkpoint with an edit in its weights, as the export writes it."""
    folder.mkdir()
    stream_checkpoint(checkpoint, stack_rewrites([edit]), folder)
    return Checkpoint(folder)


def unit(d_model: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(d_model, generator=torch.Generator().manual_seed(seed)), dim=0)


def rank_one(checkpoint: Checkpoint, method: str, sign: int, folder: Path, strength: float = 1.0) -> Checkpoint:
    spec = {"method": method, "strength": strength, "sign": sign}
    return exported(checkpoint, build_edit(spec, checkpoint, unit(checkpoint.d_model)), folder)


def masked(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    return exported(checkpoint, pruned(checkpoint, share=0.05), folder)


def merged_adapter(checkpoint: Checkpoint, folder: Path, rank: int = 2) -> Checkpoint:
    return exported(checkpoint, trained(checkpoint, rank=rank), folder)


def rewritten(
    checkpoint: Checkpoint, folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor], rename=lambda name: name
):
    """A copy whose tensors went through a function, in one file."""
    shutil.copytree(checkpoint.folder, folder)
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    tensors = {rename(name): change(name, checkpoint.tensor(name)).contiguous() for name in checkpoint.names()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return Checkpoint(folder)


def configured(checkpoint: Checkpoint, **changes: object) -> Checkpoint:
    """The same folder with other entries in its config.json."""
    (checkpoint.folder / "config.json").write_text(json.dumps(checkpoint.config | changes))
    return Checkpoint(checkpoint.folder)


def with_fused_experts(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same with the experts of a block in one tensor [expert, rows, columns], as some files have them."""
    written = rewritten(checkpoint, folder, lambda _, tensor: tensor)
    tensors, experts = {}, {}
    for name in written.names():
        before, found, after = name.partition(".mlp.experts.")
        if found:
            number, matrix, _ = after.split(".")
            experts.setdefault(before, {}).setdefault(int(number), {})[matrix] = written.tensor(name)
        else:
            tensors[name] = written.tensor(name)
    for block, ours in experts.items():
        own = [ours[number] for number in sorted(ours)]
        tensors[f"{block}.mlp.experts.down_proj"] = torch.stack([one["down_proj"] for one in own])
        gates = torch.stack([torch.cat([one["gate_proj"], one["up_proj"]]) for one in own])
        tensors[f"{block}.mlp.experts.gate_up_proj"] = gates
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return Checkpoint(folder)


def with_fused_matrices(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same with what reads the stream in one tensor: ``qkv_proj`` of attention, ``gate_up_proj`` of the feed-forward."""
    written = rewritten(checkpoint, folder, lambda _, tensor: tensor)
    tensors = {name: written.tensor(name) for name in written.names()}
    for whole, parts in (("qkv_proj", ("q_proj", "k_proj", "v_proj")), ("gate_up_proj", ("gate_proj", "up_proj"))):
        for name in [name for name in tensors if f".{parts[0]}." in name]:
            tensors[name.replace(parts[0], whole)] = torch.cat([tensors.pop(name.replace(parts[0], part)) for part in parts])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return Checkpoint(folder)


def resharded(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same tensors in two files with an index."""
    shutil.copytree(checkpoint.folder, folder)
    (folder / "model.safetensors").unlink()
    halves = checkpoint.names()[::2], checkpoint.names()[1::2]
    places = {}
    for number, names in enumerate(halves, start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: checkpoint.tensor(name) for name in names}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(names, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return Checkpoint(folder)


def fine_tuned(checkpoint: Checkpoint, folder: Path, steps: int = 8, dtype: torch.dtype = torch.float32) -> Checkpoint:
    """A few real steps of AdamW on every weight, to predict a fixed random text."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    ids = torch.randint(6, 300, (8, 48), generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    shutil.copytree(checkpoint.folder, folder)
    model.to(dtype).save_pretrained(folder)
    return Checkpoint(folder)


def largest_tensor(folder: Path) -> int:
    """Bytes of the largest tensor of a folder."""
    sizes = []
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as stream:
            for name in stream.keys():  # noqa: SIM118 - no dictionary
                tensor = stream.get_tensor(name)
                sizes.append(tensor.numel() * tensor.element_size())
    return max(sizes)
