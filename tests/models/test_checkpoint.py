import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture
def copied(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def shard(folder):
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    weight_map = {}
    for i, half in enumerate(halves, 1):
        file = f"model-0000{i}-of-00002.safetensors"
        save_file({name: tensors[name] for name in half}, folder / file)
        weight_map |= {name: file for name in half}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def test_single_and_sharded_hold_the_same_tensors(tiny_folder, copied):
    shard(copied)
    single, sharded = Checkpoint(tiny_folder), Checkpoint(copied)
    assert single.names() == sharded.names()
    assert (single.num_layers, single.d_model, single.tied_embeddings) == (4, 64, False)
    for name in single.names():
        assert single.shape(name) == tuple(sharded.tensor(name).shape)
        assert torch.equal(single.tensor(name), sharded.tensor(name))


def test_missing_shard_is_named(copied):
    shard(copied)
    (copied / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match="model-00002-of-00002"):
        Checkpoint(copied)


def test_tied_embeddings_are_seen(tmp_path):
    assert Checkpoint(make_tiny_model(tmp_path, layers=3, tied=True)).tied_embeddings


def test_truncated_file_is_refused_and_named(copied):
    file = copied / "model.safetensors"
    os.truncate(file, file.stat().st_size - 100)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        Checkpoint(copied)
    os.truncate(file, 20)
    with pytest.raises(ModelError, match="header"):
        Checkpoint(copied)


def test_pickled_weights_are_refused(copied):
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(tensors, copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
        Checkpoint(copied)


def test_folder_without_config_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        Checkpoint(tmp_path)


def test_unknown_tensor_is_refused(tiny_folder):
    with pytest.raises(ModelError, match=r"no tensor model\.layers\.9"):
        Checkpoint(tiny_folder).tensor("model.layers.9.mlp.down_proj.weight")


def test_digest_follows_content_not_place_or_time(tiny_folder, copied):
    assert Checkpoint(copied).digest() == Checkpoint(tiny_folder).digest()
    tensors = load_file(copied / "model.safetensors")
    tensors["model.norm.weight"][0] += 1.0
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    assert Checkpoint(copied).digest() != Checkpoint(tiny_folder).digest()


def test_digest_follows_the_chat_template(tiny_folder, copied):
    with (copied / "chat_template.jinja").open("a") as stream:
        stream.write(" ")
    assert Checkpoint(copied).digest() != Checkpoint(tiny_folder).digest()
