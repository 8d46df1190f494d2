"""Damaged weights and directions are found before a job uses them, and the next call makes them anew."""

import os
import shutil

import pytest
import torch
from safetensors.torch import save_file
from small_study import make_card

from anatomy.errors import ModelError, StoreError
from anatomy.organism.checkpoint import parameter_digest
from anatomy.stages import soundness
from anatomy.stages.soundness import sound_extraction, sound_member, sound_model
from anatomy.store.digest import file_digest
from anatomy.store.files import write_json
from anatomy.store.mending import mending


def flip_a_bit(path, keep_time=False):
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) - 5] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 1))


@pytest.fixture
def model(tiny_folder, tmp_path):
    """A model's folder and its card; `grown` makes it a member of an organism."""
    folder = shutil.copytree(tiny_folder, tmp_path / "weak")

    def described(grown=None):
        card = tmp_path / "card.json"
        write_json(card, {**make_card(folder), "grown": grown})
        return card

    return folder, described


@pytest.mark.parametrize("keep_time", [True, False])
def test_a_sound_model_passes_and_a_flipped_bit_does_not(model, keep_time):
    folder, described = model
    card = described()
    assert sound_model(card)["folder"] == str(folder)
    flip_a_bit(folder / "model.safetensors", keep_time)
    with pytest.raises(ModelError, match="copy or fetch the model again"):
        sound_model(card)
    assert folder.exists(), "a model of one's own is never moved"


def test_a_damaged_member_is_set_aside_to_be_grown_again(model):
    folder, described = model
    card = described(grown={"member": "weak"})
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-7])
    with pytest.raises(ModelError, match="next snakemake grows the member anew"):
        sound_model(card)
    assert folder.exists() and card.exists(), "whoever only looks takes nothing away"
    with mending(), pytest.raises(ModelError, match=r"truncated.*\n.*\n.*\n.*grown anew|grown anew"):
        sound_model(card)
    assert not folder.exists() and len(list(folder.parent.glob("weak.damaged-*"))) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_nothing_is_trained_from_a_damaged_parent(tmp_path, damage):
    folder = tmp_path / "base"
    folder.mkdir()
    weights = {"w": torch.arange(64.0)}
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "card.json", {"parameter_sha256": parameter_digest(weights)})
    assert sound_member(folder / "card.json") == folder
    file = folder / "model.safetensors"
    flip_a_bit(file) if damage == "flip" else file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ModelError, match="grown anew"):
        sound_member(folder / "card.json")
    assert not folder.exists()


def test_large_weights_are_read_only_where_they_look_changed(model, monkeypatch):
    folder, described = model
    card = described()
    monkeypatch.setattr(soundness, "ALWAYS_BYTES", 0)
    flip_a_bit(folder / "model.safetensors", keep_time=True)
    assert sound_model(card), "not read"
    os.utime(folder / "model.safetensors")
    with pytest.raises(ModelError):
        sound_model(card)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_extraction_is_made_anew_by_the_next_call(tmp_path, damage):
    card, file = tmp_path / "card.json", tmp_path / "plain" / "directions.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"0123456789")
    write_json(card, {"contrasts": {"plain": {"files": {file.name: file_digest(file)}}}})
    assert sound_extraction(card) == tmp_path
    {"flip": lambda: flip_a_bit(file), "truncate": lambda: file.write_bytes(b"01234"), "remove": file.unlink}[damage]()
    with pytest.raises(StoreError, match="makes the extraction anew"):
        sound_extraction(card)
    assert card.exists(), "whoever only looks takes nothing away"
    with mending(), pytest.raises(StoreError, match="extraction is made anew"):
        sound_extraction(card)
    assert not card.exists(), "so Snakemake sees that the extraction has to run"
