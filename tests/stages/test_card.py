"""The card of a model: where a folder that cannot be used is refused, before any job works on it."""

import shutil
from pathlib import Path

import pytest
import torch
from small_study import make_subject

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.card import read_card, write_model_card


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def write(folder, out):
    write_model_card(make_subject(), {"folder": str(folder), "hub": None, "revision": None}, None, out)


def truncate(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")


def lose_shard(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"lm_head.weight": "model-00002.safetensors"}}')


@pytest.mark.parametrize(("harm", "found"), [
    (truncate, "truncated"), (pickle, "pickled weights"), (lose_shard, "shards missing"),
    (lambda folder: (folder / "config.json").unlink(), r"no config\.json"), (shutil.rmtree, r"no config\.json")])
def test_a_folder_that_cannot_be_used_has_no_card(folder, tmp_path, harm, found):
    harm(folder)
    with pytest.raises(ModelError, match=found) as caught:
        write(folder, tmp_path / "card.json")
    assert str(folder) in caught.value.where and caught.value.remedy
    assert not (tmp_path / "card.json").exists()


def test_a_card_says_what_the_folder_contains(folder, tmp_path):
    write(folder, tmp_path / "card.json")
    card, checkpoint = read_card(tmp_path / "card.json"), Checkpoint(folder)
    assert card["digest"] == checkpoint.digest() and card["id"] == "mine" and card["grown"] is None
    assert (card["num_layers"], card["d_model"], card["tied_embeddings"]) == (4, 64, False)
