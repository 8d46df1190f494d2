"""The card of a model: where a folder that cannot be used is refused, before any job works on it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_architecture import make_tiny_architecture
from small_study import make_subject
from tiny_architectures import ARCHITECTURES

from anatomy.errors import EditError, ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine import formats
from anatomy.stages.card import read_card, write_model_card


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def write(folder, out, **options):
    write_model_card(make_subject(), {"folder": str(folder), "hub": None, "revision": None}, None, out, **options)


def truncate(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")


def lose_shard(folder):
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def add_adapter(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (truncate, "truncated"),
        (pickle, "pickled weights"),
        (lose_shard, "shards missing"),
        (lambda folder: (folder / "config.json").unlink(), r"no config\.json"),
        (shutil.rmtree, r"no config\.json"),
        (add_adapter, "an adapter"),
    ],
)
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


def state(folder, **stated):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | stated))


def test_what_can_be_read_but_not_edited_is_refused_before_anything_is_computed(folder, tmp_path):
    out = tmp_path / "card.json"
    state(folder, quantization_config={"quant_method": "awq", "bits": 4})
    with pytest.raises(EditError, match="quantised with awq") as caught:
        write(folder, out)
    assert "made from" in caught.value.remedy and not out.exists()
    mixture, tied = (
        make_tiny_architecture(next(one for one in ARCHITECTURES if one.name == name), tmp_path / name)
        for name in ("Mixtral", "Gemma")
    )
    with pytest.raises(EditError, match="mean inputs asked of experts") as caught:
        write(mixture, out, inputs_at=["o_proj", "down_proj"])
    assert "mean_input" in caught.value.remedy and not out.exists()
    write(mixture, out, inputs_at=["o_proj"])
    assert read_card(out)["num_layers"] == 3
    write(tied, out)
    with pytest.raises(EditError, match="tied input and output embeddings"):
        write(tied, out, sites=["o_proj", "embed_tokens"])


def test_code_of_its_own_is_refused(folder, tmp_path):
    state(folder, architectures=["OwnForCausalLM"], auto_map={"AutoModelForCausalLM": "own.OwnForCausalLM"})
    with pytest.raises(ModelError, match=r"own\.OwnForCausalLM"):
        write(folder, tmp_path / "card.json")
    assert not (tmp_path / "card.json").exists()


@pytest.mark.parametrize(
    ("asked", "fast", "expected", "told"),
    [
        ("auto", "float32", "float32", 0),
        ("auto", "bfloat16", "bfloat16", 0),
        ("bfloat16", "float32", "bfloat16", 1),  # what somebody named is what they get, and they are told what it costs
    ],
)
def test_the_card_settles_the_number_format(folder, tmp_path, monkeypatch, asked, fast, expected, told):
    rates = {"float32": 5e10, "bfloat16": 1e9 if fast == "float32" else 2e11, "float16": 1e9}
    monkeypatch.setattr(formats, "product_rate", lambda dtype, threads=1: rates[dtype])
    monkeypatch.setattr(formats, "fast_format", lambda device=None: fast)
    said = []
    write_model_card(
        replace(make_subject(), dtype=asked),
        {"folder": str(folder), "hub": None, "revision": None},
        None,
        tmp_path / "card.json",
        say=said.append,
    )
    assert read_card(tmp_path / "card.json")["dtype"] == expected
    assert len(said) == told and all("50 times slower" in line and line.startswith("models.") for line in said)
