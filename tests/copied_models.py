"""Copies of a tiny model in other dtypes and shards, edits of them, and their tensors."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file

from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.export.companions import INDEX
from anatomy.models.checkpoint import Checkpoint

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
METADATA = {"format": "pt", "written_by": "a test, so that keeping metadata shows"}


def recast(folder, target, dtype, shards=1):
    """A copy of a single-file model in another dtype; in shards, tensors go to them in turn."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    config = json.loads((target / "config.json").read_text()) | {"dtype": str(dtype).removeprefix("torch.")}
    (target / "config.json").write_text(json.dumps(config))
    if shards == 1:
        save_file(tensors, target / "model.safetensors", metadata=METADATA)
        return target
    names = [f"model-{number + 1:05d}-of-{shards:05d}.safetensors" for number in range(shards)]
    weight_map = {name: names[i % shards] for i, name in enumerate(sorted(tensors))}
    for shard in names:
        held = {name: tensors[name] for name, place in weight_map.items() if place == shard}
        save_file(held, target / shard, metadata=METADATA)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    (target / INDEX).write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}, indent=1))
    return target


def edit_of(folder, direction, **spec):
    """An edit of a folder's model; half of a projection on all writers where nothing else is said."""
    return build_edit({"method": "projection", "strength": 0.5, "sign": 1, **spec}, Checkpoint(folder), direction)


def tensors_of(folder):
    """Every tensor of a folder by name."""
    checkpoint = Checkpoint(folder)
    return {name: checkpoint.tensor(name) for name in checkpoint.names()}


def bits(tensor):
    return tensor.contiguous().view(-1).view(torch.uint8)
