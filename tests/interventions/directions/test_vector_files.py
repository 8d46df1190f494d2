"""Directions go out and come back, in the places where repeng and llama.cpp look for them; what is none is refused in words."""

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quantize
from safetensors import safe_open
from safetensors.torch import save_file

from anatomy.errors import DataError
from anatomy.formats.beside import beside
from anatomy.interventions.directions.vector_files import made_for, read_vectors, write_vectors

WIDTH = 24


@pytest.fixture
def vectors():
    draws = torch.Generator().manual_seed(0)
    return {layer: torch.randn(WIDTH, generator=draws) for layer in (0, 1, 2, 3, 5)}


def test_a_plain_file_is_one_table_by_layer_and_comes_back_to_the_bit(vectors, tmp_path):
    written = write_vectors(vectors, tmp_path / "new" / "a.safetensors", "llama", {"contrast": "plain"})
    assert written == [0, 1, 2, 3, 5]
    with safe_open(tmp_path / "new" / "a.safetensors", framework="pt") as file:
        assert list(file.keys()) == ["directions"] and file.get_slice("directions").get_shape() == [6, WIDTH]
        assert file.metadata()["contrast"] == "plain" and file.metadata()["layers"] == "0 1 2 3 5"
    found = read_vectors(tmp_path / "new" / "a.safetensors")
    assert found.keys() == vectors.keys() and all(torch.equal(found[layer], vectors[layer]) for layer in vectors)


def test_a_control_vector_names_the_output_of_the_block_before(vectors, tmp_path):
    assert write_vectors(vectors, tmp_path / "a.gguf", "qwen2", {"position": "-1"}) == [2, 3, 5]
    reader = GGUFReader(tmp_path / "a.gguf")
    tensors = {one.name: one.data for one in reader.tensors}
    assert set(tensors) == {"direction.1", "direction.2", "direction.4"}
    np.testing.assert_array_equal(tensors["direction.4"], vectors[5].numpy())
    said = {name: reader.get_field(name).contents() for name in reader.fields}
    assert said["general.architecture"] == "controlvector" and said["controlvector.model_hint"] == "qwen2"
    assert said["controlvector.layer_count"] == 3 and said["controlvector.position"] == "-1"
    assert made_for(tmp_path / "a.gguf") == "qwen2"


def test_a_control_vector_comes_back_at_the_layers_it_went_out_from(vectors, tmp_path):
    write_vectors(vectors, tmp_path / "a.gguf", "llama", {})
    found = read_vectors(tmp_path / "a.gguf")
    assert list(found) == [2, 3, 5] and all(torch.equal(found[layer], vectors[layer]) for layer in found)


def test_a_control_vector_of_another_tool_is_read(tmp_path):
    """As repeng's export writes it: every block's output from 1 on, and nothing but hint and count."""
    writer = GGUFWriter(tmp_path / "theirs.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "mistral")
    writer.add_uint32("controlvector.layer_count", 2)
    for block in (2, 1):
        writer.add_tensor(f"direction.{block}", np.full(WIDTH, block, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_vectors(tmp_path / "theirs.gguf")
    assert {layer: float(vector[0]) for layer, vector in found.items()} == {2: 1.0, 3: 2.0}


@pytest.mark.parametrize(("kind", "off"), [("BF16", 0.01), ("Q8_0", 0.02)])
def test_a_control_vector_in_fewer_bits_is_read_as_its_values(tmp_path, kind, off):
    value = torch.randn(128, generator=torch.Generator().manual_seed(0))
    number = GGMLQuantizationType[kind]
    writer = GGUFWriter(tmp_path / "theirs.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 1)
    writer.add_tensor("direction.1", quantize(value.numpy(), number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (found,) = read_vectors(tmp_path / "theirs.gguf").values()
    torch.testing.assert_close(found, value, atol=off * float(value.abs().max()), rtol=0.01)


def a_model(path):
    writer = GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.ones((4, WIDTH), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


REFUSED = {
    "a pickle": ("a.pt", lambda path: path.write_bytes(b"x"), "safetensors.*run code"),
    "no file": ("a.gguf", lambda path: None, "no such file"),
    "a model": ("a.gguf", a_model, "architecture 'llama'"),
    "no GGUF": ("a.gguf", lambda path: path.write_bytes(b"GGUF and then nothing"), "a.gguf"),
    "no safetensors": ("a.safetensors", lambda path: path.write_bytes(b"nothing"), "a safetensors file"),
    "two tensors": ("a.safetensors", lambda p: save_file({"a": torch.ones(2, 3), "b": torch.ones(2, 3)}, p), "one tensor"),
    "a vector": ("a.safetensors", lambda p: save_file({"a": torch.ones(3)}, p), r"one tensor \[layer, d_model\]"),
    "zeros": ("a.safetensors", lambda p: save_file({"a": torch.zeros(2, 3)}, p), "no direction that is not zero"),
    "NaN": ("a.safetensors", lambda p: save_file({"a": torch.full((2, 3), float("nan"))}, p), "NaN or infinity in layer 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_holds_no_directions_is_refused_in_words(tmp_path, case):
    name, write, said = REFUSED[case]
    write(tmp_path / name)
    with pytest.raises(DataError, match=f"(?s){said}"):
        read_vectors(tmp_path / name)


def test_nothing_to_write_is_said_before_a_file_is_there(tmp_path):
    with pytest.raises(DataError, match="begins at the output of block 1"):
        write_vectors({1: torch.ones(WIDTH)}, tmp_path / "a.gguf", "llama", {})
    assert not list(tmp_path.iterdir())


def test_a_direction_beside_itself_has_cosine_one_and_beside_random_ones_what_chance_gives(vectors):
    same = beside({layer: 3 * vector for layer, vector in vectors.items()}, vectors, "a.gguf")
    assert same["cosine"].to_numpy() == pytest.approx(1) and same["norm"].to_numpy() == pytest.approx(3 * same["own_norm"])
    draws = torch.Generator().manual_seed(1)
    others = {layer: torch.randn(256, generator=draws) for layer in range(400)}
    random = beside(others, {layer: torch.randn(256, generator=draws) for layer in range(400)}, "a.gguf")
    assert 0.91 < (random["cosine"].abs() <= random["chance"]).mean() < 0.98


@pytest.mark.parametrize(
    ("theirs", "said"), [({9: torch.ones(WIDTH)}, "layers \\[9\\]"), ({2: torch.ones(7)}, "width 7.*another model")]
)
def test_directions_of_another_model_are_refused(vectors, theirs, said):
    with pytest.raises(DataError, match=f"(?s){said}"):
        beside(theirs, vectors, "a.gguf")
