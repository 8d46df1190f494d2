import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from anatomy.interventions.export.layout import read_layout


def test_tensors_stand_in_the_order_of_their_bytes(tiny_folder):
    path = tiny_folder / "model.safetensors"
    layout = read_layout(path)
    starts = [entry.start for entry in layout.entries]
    assert starts == sorted(starts) and layout.size == path.stat().st_size
    assert len(json.loads(layout.header[8:])) == len(layout.entries) + 1  # and the metadata


def test_one_more_tensor_at_the_end_keeps_everything_before_it(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "before.safetensors", metadata={"kept": "yes"})
    layout = read_layout(tmp_path / "before.safetensors")
    longer = layout.with_tensor(layout.entry("a"), "a copy of it, with a name that moves the data")
    data = (tmp_path / "before.safetensors").read_bytes()[len(layout.header) :]
    entry = layout.entry("a")
    (tmp_path / "after.safetensors").write_bytes(longer.header + data + data[entry.start : entry.stop])
    assert longer.size == (tmp_path / "after.safetensors").stat().st_size and len(longer.header) % 8 == 0
    with safe_open(tmp_path / "after.safetensors", framework="pt") as file:
        assert file.metadata() == {"kept": "yes"}
        assert torch.equal(file.get_tensor("a copy of it, with a name that moves the data"), tensors["a"])
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in tensors.items())


def test_rows_and_columns_of_any_shape(tmp_path):
    save_file({"scalar": torch.tensor(1.0), "vector": torch.ones(5), "cube": torch.ones(2, 3, 4)}, tmp_path / "x.safetensors")
    layout = read_layout(tmp_path / "x.safetensors")
    assert {name: (layout.entry(name).rows, layout.entry(name).columns) for name in ("scalar", "vector", "cube")} == {
        "scalar": (1, 1),
        "vector": (5, 1),
        "cube": (6, 4),
    }
