"""Counts from configuration and headers, against the model in memory."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from anatomy.models.checkpoint import Checkpoint
from anatomy.models.size import model_size


def size(folder):
    return model_size(Checkpoint(folder))


def test_counts_are_those_of_the_loaded_model(tiny, tiny_folder):
    found = size(tiny_folder)
    assert found.parameters == found.floating == sum(p.numel() for p in tiny.model.parameters())
    assert found.bytes_by_dtype == {"F32": 4 * found.parameters} and found.disk == 4 * found.parameters
    assert (found.layers, found.d_model, found.intermediate) == (4, 64, 96)
    assert (found.kv_heads, found.head_dim, found.vocabulary) == (1, 32, tiny.model.config.vocab_size)


def test_no_weight_is_read(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "tensor", lambda *_: pytest.fail("a weight was read"))
    assert size(tiny_folder).parameters > 0


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def test_formats_are_counted_apart_and_integers_are_not_cast(folder):
    tensors = load_file(folder / "model.safetensors")
    full = size(folder).parameters
    tensors["model.norm.weight"] = tensors["model.norm.weight"].bfloat16()
    tensors["model.layers.0.mlp.down_proj.weight"] = torch.zeros(64, 48, dtype=torch.uint8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    found = size(folder)
    assert found.bytes_by_dtype == {"F32": 4 * (full - 64 - 64 * 96), "BF16": 2 * 64, "U8": 64 * 48}
    assert found.floating == full - 64 * 96 and found.unconverted == 64 * 48


def test_a_tied_head_counts_once_even_where_it_is_stored(tmp_path):
    tied = make_tiny_model(tmp_path / "tied", tied=True)
    once = size(tied)
    tensors = load_file(tied / "model.safetensors")
    head = tensors["model.embed_tokens.weight"].clone()
    save_file({**tensors, "lm_head.weight": head}, tied / "model.safetensors", metadata={"format": "pt"})
    twice = size(tied)
    assert twice.parameters == once.parameters and twice.disk == once.disk + head.numel() * 4


def test_shards_add_up(folder):
    whole, tensors = size(folder), load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map = {}
    for part, chosen in (("a", names[::2]), ("b", names[1::2])):
        save_file({name: tensors[name] for name in chosen}, folder / f"model-{part}.safetensors", metadata={"format": "pt"})
        weight_map |= dict.fromkeys(chosen, f"model-{part}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert size(folder) == whole


def test_defaults_are_those_of_the_configurations(folder):
    config = json.loads((folder / "config.json").read_text())
    for key in ("num_key_value_heads", "head_dim"):
        del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    assert (size(folder).kv_heads, size(folder).head_dim) == (2, 32)
