"""A task vector is what an export changed, and nothing that did not pass the gate becomes one."""

import json
import shutil

import pytest
import torch
from copied_models import DTYPES, edit_of, recast, tensors_of
from safetensors.torch import load_file
from tiny_model import make_tiny_model

from anatomy.errors import DataError, GateError
from anatomy.formats.task_vector import write_task_vector
from anatomy.interventions.export.folder import MARKER, whole_folder
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def original(request, tmp_path_factory):
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")
    return recast(folder, folder.parent / "recast", DTYPES[request.param], shards=2)


@pytest.fixture
def exported(original, tmp_path):
    """As the export stage leaves it: the streamed checkpoint, and a record of an open gate."""
    edit = edit_of(original, torch.nn.functional.normalize(torch.arange(64.0) - 20, dim=0))
    with whole_folder(tmp_path / "exported") as folder:
        stream_checkpoint(Checkpoint(original), low_rank_rewrites(edit.factors), folder)
        record = {"model": "weak", "family": "projection", "edits": [], "gate": {"passed": True, "reasons": []}}
        record |= {"base": {"digest": Checkpoint(original).digest()}, "digest": Checkpoint(folder).digest()}
        (folder / MARKER).write_text(json.dumps(record))
    return tmp_path / "exported"


def differences(index):
    places = json.loads(index.read_text())["weight_map"]
    found = {}
    for file in sorted(set(places.values())):
        tensors = load_file(index.parent / file)
        assert {name for name, place in places.items() if place == file} == set(tensors)
        found |= tensors
    return found


@pytest.mark.parametrize("largest", [2**31, 1])
def test_the_original_and_its_task_vector_add_up_to_the_export(original, exported, tmp_path, largest):
    found = differences(write_task_vector(exported, original, tmp_path / "vector", lambda text: None, largest))
    before, after = tensors_of(original), tensors_of(exported)
    assert set(found) == {name for name in before if not torch.equal(before[name], after[name])} and len(found) == 8
    for name, difference in found.items():
        assert difference.dtype == torch.float32
        again = (before[name].double() + difference.double()).to(after[name].dtype)
        torch.testing.assert_close(again, after[name], rtol=0, atol=1e-6 if after[name].dtype == torch.float32 else 0)


def changed(exported, **record):
    said = json.loads((exported / MARKER).read_text())
    (exported / MARKER).write_text(json.dumps(said | record))


CASES = {
    "no export": (lambda exported: (exported / MARKER).unlink(), "export the edit first"),
    "a closed gate": (lambda e: changed(e, gate={"passed": False, "reasons": ["refusal fell"]}), "refusal fell"),
    "other weights": (lambda e: changed(e, digest="0" * 64), "what was exported"),
    "another original": (lambda e: changed(e, base={"digest": "0" * 64}), "the model that was edited"),
    "another record": (lambda e: (e / MARKER).write_text("[]"), "none of ours"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_did_not_pass_the_gate_leaves_nothing(original, exported, tmp_path, case):
    spoil, said = CASES[case]
    spoil(exported)
    with pytest.raises(GateError, match=f"(?s){said}"):
        write_task_vector(exported, original, tmp_path / "vector", lambda text: None)
    assert not (tmp_path / "vector").exists()


def test_a_folder_that_holds_something_is_left_alone(original, exported, tmp_path):
    shutil.copytree(exported, tmp_path / "vector")
    with pytest.raises(DataError, match="an empty place"):
        write_task_vector(exported, original, tmp_path / "vector", lambda text: None)
