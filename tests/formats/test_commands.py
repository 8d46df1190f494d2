"""The commands, from a run's folder to the files, and what they say where something is missing."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny_model import make_tiny_model

from anatomy.formats.__main__ import main
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.extraction import write_contrast
from anatomy.interventions.directions.vector_files import read_vectors
from anatomy.store.files import write_json

LAYERS, POSITIONS = (0, 1, 2, 3), (-2, -1)


@pytest.fixture
def run(tmp_path):
    """What a run leaves of one model: its card, and an extraction whose layer 0 has no direction."""
    make_tiny_model(tmp_path / "models" / "tiny")
    vectors = torch.randn(len(POSITIONS), len(LAYERS), 64, generator=torch.Generator().manual_seed(0))
    vectors[:, 0] = 0
    facts = write_contrast(
        tmp_path / "results" / "extract" / "mine" / "plain",
        Directions(vectors, POSITIONS, LAYERS),
        {},
        {"harmful": vectors, "harmless": torch.zeros_like(vectors)},
    )
    write_json(tmp_path / "results" / "extract" / "mine" / "card.json", {"contrasts": {"plain": facts}})
    (tmp_path / "results" / "models").mkdir()
    card = {"id": "mine", "kind": "aligned", "folder": "models/tiny", "digest": "0", "dtype": "float32", "threads": 1}
    card |= {"num_layers": 4, "d_model": 64, "tied_embeddings": False, "source": None, "grown": None, "converted": None}
    write_json(tmp_path / "results" / "models" / "mine.json", {**card, "tuned": None, "notes": []})
    return tmp_path / "results", vectors


@pytest.mark.parametrize(("name", "layers"), [("a.gguf", [2, 3]), ("a.safetensors", [1, 2, 3])])
def test_a_direction_goes_out_and_is_compared_with_itself(run, tmp_path, capsys, name, layers):
    results, vectors = run
    assert main(["vector", "mine", "--results", str(results), "--to", str(tmp_path / name)]) == 0
    found = read_vectors(tmp_path / name)
    assert list(found) == layers and all(torch.equal(found[layer], vectors[1, layer]) for layer in layers)
    assert main(["compare", str(tmp_path / name), "mine", "--results", str(results), "--position", "-1"]) == 0
    said = capsys.readouterr().out
    assert said.count("1.000") >= len(layers)


def test_what_is_missing_is_said_in_a_line_and_the_status_tells(run, tmp_path, capsys):
    results = str(run[0])
    for words, said in (
        (["vector", "mine", "--results", results, "--position", "-9", "--to", str(tmp_path / "a.gguf")], "position -9"),
        (["vector", "mine", "--results", results, "--contrast", "system", "--to", str(tmp_path / "a.gguf")], "system"),
        (["lm-eval", "mine", "--results", results, "--to", str(tmp_path / "out")], "no benchmark samples of mine"),
        (["task-vector", str(tmp_path), "--original", str(tmp_path), "--to", str(tmp_path / "out")], "export the edit first"),
    ):
        assert main(words) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and json.loads((run[0] / "models" / "mine.json").read_text())["id"] == "mine"


def test_a_place_that_cannot_be_written_is_said_before_anything_is(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "folder.gguf").mkdir()
    results = str(run[0])
    for words in (
        ["vector", "mine", "--results", results, "--to", str(tmp_path / "file" / "a.gguf")],
        ["vector", "mine", "--results", results, "--to", str(tmp_path / "folder.gguf")],
        ["lm-eval", "mine", "--results", results, "--to", str(tmp_path / "file")],
        ["task-vector", str(tmp_path), "--original", str(tmp_path), "--to", str(tmp_path / "file" / "out")],
    ):
        assert main(words) == 1
        assert "cannot be written" in capsys.readouterr().err


def test_what_cannot_be_directions_of_the_model_is_not_compared(run, tmp_path, capsys):
    def compared(name, tensor, **metadata):
        save_file({"directions": tensor}, tmp_path / name, metadata)
        return main(["compare", str(tmp_path / name), "mine", "--results", str(run[0])]), capsys.readouterr()

    broken = torch.ones(4, 64)
    broken[2, 5] = float("nan")
    for name, tensor, said in (
        ("wide.safetensors", torch.ones(4, 32), "width 32"),
        ("deep.safetensors", torch.ones(9, 64), "a direction at layer 8"),
        ("nan.safetensors", broken, "NaN or infinity in layer 2"),
        ("complex.safetensors", torch.ones(4, 64, dtype=torch.complex64), "complex64"),
    ):
        status, output = compared(name, tensor)
        assert status == 1 and said in output.err
    status, output = compared("other.safetensors", torch.ones(4, 64), model_type="mamba")
    assert status == 0 and "made for a model of type 'mamba'" in output.out
    status, output = compared("same.safetensors", torch.ones(4, 64), model_type="llama")
    assert status == 0 and "made for" not in output.out


def test_the_model_is_found_where_results_have_a_folder_of_their_own(run, tmp_path, capsys):
    """As of a study that quickstart wrote: a card names its model as seen from the folder of the run, two folders above."""
    results = tmp_path / "results" / "mine"
    results.mkdir()
    for name in ("extract", "models"):
        (tmp_path / "results" / name).rename(results / name)
    write_json(results / "provenance" / "configuration.json", {"results": "results/mine"})
    assert main(["vector", "mine", "--results", str(results), "--to", str(tmp_path / "a.gguf")]) == 0
    other = tmp_path / "other.safetensors"
    save_file({"directions": torch.randn(4, 64)}, other, {"model_type": "mamba"})
    assert main(["compare", str(other), "mine", "--results", str(results)]) == 0
    assert "made for a model of type 'mamba'" in capsys.readouterr().out
