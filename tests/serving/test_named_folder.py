"""A model's folder under a name that vLLM, which looks for weights by a pattern, takes literally."""

import glob
import tempfile
from pathlib import Path

import pytest

from anatomy.serving.named_folder import served_folder


@pytest.mark.parametrize("name", ["model", "a b é $HOME {x} 'q' : # %"])
def test_a_folder_without_wildcards_keeps_its_name(tmp_path, name):
    with served_folder(tmp_path / name) as found:
        assert found == str(tmp_path / name)


@pytest.mark.parametrize(("name", "other"), [("a[b]", "ab"), ("what?", "whatx"), ("all *", "all of them"), ("[!x]/[ab]*", "y/a")])
def test_of_a_folder_with_wildcards_its_own_weights_are_found(tmp_path, name, other):
    for folder in (tmp_path / name, tmp_path / other):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    own = [str(tmp_path / name / "model.safetensors")]
    assert glob.glob(f"{tmp_path / name}/*.safetensors") != own, "the pattern finds another model's weights"
    with served_folder(tmp_path / name) as found:
        assert [str(Path(path).resolve()) for path in glob.glob(f"{found}/*.safetensors")] == own
    assert not Path(found).exists()


def test_a_temporary_folder_with_wildcards_is_no_place_for_the_link(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t[m]p"))
    (tmp_path / "t[m]p").mkdir()
    with served_folder(tmp_path / "t[m]p") as found:
        assert glob.escape(found) == found


def test_weights_beside_the_model_are_not_shown(tmp_path):
    folder = tmp_path / "model"
    (folder / "original").mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.safetensors", "config.json", "tokenizer.json"):
        (folder / name).write_text(name)
    with served_folder(folder, [folder / "optimizer.safetensors"]) as found:
        assert sorted(path.name for path in Path(found).iterdir()) == [
            "config.json",
            "model.safetensors",
            "original",
            "tokenizer.json",
        ]
        assert (Path(found) / "config.json").read_text() == "config.json"
    assert not Path(found).exists() and (folder / "optimizer.safetensors").exists()
