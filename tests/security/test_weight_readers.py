"""Readers of folders with weights, given any bytes: models, adapters, directions, saved edits."""

import json
import shutil

import pytest
import torch
from edit_kinds import head, pruned
from fuzz import FUZZ, accepted, contents
from hypothesis import example, given

from anatomy.errors import ModelError
from anatomy.interventions.directions.candidates import Directions, load_directions, save_directions
from anatomy.interventions.edits.adapter import read_adapter, write_adapter
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.saved import load_edit, save_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.weight_header import read_header


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "model.safetensors.index.json"])
def test_model_folders_with_any_content(file, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    good = (
        (folder / file).read_bytes()[:4096]
        if (folder / file).exists()
        else b'{"metadata": {}, "weight_map": {"a": "model.safetensors"}}'
    )

    @FUZZ
    @given(contents(good))
    @example(b"\x08\x00\x00\x00\x00\x00\x00\x00[1,2,3] ")
    def any_content(content):
        (folder / file).write_bytes(content)
        accepted(Checkpoint, folder)

    any_content()


def test_a_header_of_another_shape_is_refused(tmp_path):
    for header in (
        b"[]",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32"}}',
        b'{"a": {"data_offsets": ["x", "y"]}}',
        b'{"a": {"data_offsets": []}}',
    ):
        path = tmp_path / "w.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ModelError):
            read_header(path)


def test_an_index_may_not_lead_out_of_the_folder(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    for shard in ("../outside.safetensors", "/etc/passwd", "sub/../../outside.safetensors"):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": shard}}))
        with pytest.raises(ModelError, match="the name of a file in the model's folder"):
            Checkpoint(folder)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "card.json"])
def test_edits_with_any_content(file, tiny_folder, tmp_path):
    checkpoint = Checkpoint(tiny_folder)
    direction = torch.nn.functional.normalize(torch.arange(1.0, 65.0), dim=0)
    spec = {"method": "projection", "direction": {"position": -1, "layer": 1, "control": None}, "strength": 0.5}
    write_adapter(build_edit(spec, checkpoint, direction), tmp_path, checkpoint)
    path = next(path for path in tmp_path.iterdir() if path.name.endswith(file))
    good = path.read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        path.write_bytes(content)
        accepted(lambda folder: read_adapter(folder, checkpoint), tmp_path)

    any_content()


@pytest.mark.parametrize("file", ["edit.safetensors", "edit.card.json"])
@pytest.mark.parametrize("kind", [pruned, head])
def test_saved_edits_with_any_content(kind, file, tiny_folder, tmp_path):
    checkpoint = Checkpoint(tiny_folder)
    edit = kind(checkpoint)
    save_edit(edit, tmp_path, checkpoint, private=True)
    good = (tmp_path / file).read_bytes()[:8192]

    @FUZZ
    @given(contents(good))
    def any_content(content):
        (tmp_path / file).write_bytes(content)
        accepted(lambda folder: load_edit(folder, checkpoint), tmp_path)

    any_content()


@pytest.mark.parametrize("file", ["d.safetensors", "d.card.json"])
def test_directions_with_any_content(file, tmp_path):
    save_directions(Directions(torch.ones(1, 2, 4), (-1,), (0, 1)), tmp_path / "d.safetensors", {})
    good = (tmp_path / file).read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        (tmp_path / file).write_bytes(content)
        accepted(load_directions, tmp_path / "d.safetensors")

    any_content()
