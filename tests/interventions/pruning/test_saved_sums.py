"""Sums on disk: of a damaged file nothing is gone on from, nothing half written stays, and saving takes little of the time."""

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from anatomy.interventions.pruning import gradient_sums as gradients
from anatomy.interventions.pruning.gradient_sums import gradient_sums
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.saved_sums import PartFile, Saving
from anatomy.models.activations.answers import Forced
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

UPPER = "state.from_block_1"


def opened(folder, dtype=torch.float32):
    loaded = load_model(folder, dtype, "cpu")
    return loaded, scored_matrices(loaded, Checkpoint(folder))


def texts(number):
    return [Forced([10 + k, 20, 30], [40, 50 + k]) for k in range(number)]


def damaged(path, how):
    """Rewrite a file of sums with one fault."""
    with safe_open(path, framework="pt") as stream:
        said = json.loads(stream.metadata()["scoring"])
    tensors = load_file(path)
    last = sorted(name for name in tensors if name.startswith("sum."))[-1]
    if how == "a sum that is missing":
        del tensors[last]
    elif how == "a sum of another shape":
        tensors[last] = tensors[last][:3].contiguous()
    elif how == "a sum that is no number":
        tensors[last][0, 0] = float("nan")
    elif how == "a gradient that is missing":
        tensors.pop("entering.1", None)
        said["entering"] = max(said["entering"], 1)
    elif how == "no count":
        del said["counted"]
    save_file(tensors, path, {"scoring": "[]" if how == "another story" else json.dumps(said)})


HOW = ["a sum that is missing", "a sum of another shape", "a sum that is no number", "a gradient that is missing", "no count"]


@pytest.mark.parametrize("how", [*HOW, "another story"])
@pytest.mark.parametrize("stem", ["state", UPPER])
def test_of_a_damaged_file_nothing_is_in_the_sums(stem, how, tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"), torch.bfloat16)
    saving = Saving(tmp_path / "state.safetensors", "m", 0.0)
    whole = gradient_sums(loaded, matrices, texts(3), list("abc"), absolute=True)
    gradient_sums(loaded, matrices, texts(3), list("abc"), absolute=True, saving=saving)
    damaged(saving.path.with_stem(stem), how)
    again = gradient_sums(loaded, matrices, texts(3), list("abc"), absolute=True, saving=saving)
    assert all(torch.equal(whole.sums[name], again.sums[name]) for name in matrices) and whole.losses == again.losses


def test_what_a_job_that_was_killed_while_it_saved_left_half_written_is_deleted(tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"), torch.bfloat16)
    half = [tmp_path / f".{stem}.safetensors.12.partial" for stem in ("state", UPPER)]
    for path in half:
        path.write_bytes(b"half")
    other = tmp_path / ".another.safetensors.12.partial"
    other.write_bytes(b"half")
    gradient_sums(loaded, matrices, texts(2), list("ab"), absolute=True, saving=Saving(tmp_path / "state.safetensors", "m"))
    assert not any(path.exists() for path in half) and other.exists()


def test_where_saving_is_slow_it_is_done_less_often(tmp_path, monkeypatch):
    """An example takes a second, and saving five: a tenth of the time is one saving in 45 seconds, not one in ten."""
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"))
    clock, savings = [0.0], []
    backward, save = gradients.backward, PartFile.save

    def slowly(file, part):
        savings.append(part.counted)
        clock[0] += 5
        save(file, part)

    def passing(*given):
        clock[0] += 1
        return backward(*given)

    monkeypatch.setattr(gradients, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(gradients, "backward", passing)
    monkeypatch.setattr(PartFile, "save", slowly)
    several = [str(number) for number in range(120)]
    saving = Saving(tmp_path / "state.safetensors", "m", 10.0)
    gradient_sums(loaded, matrices, texts(120), several, absolute=True, saving=saving)
    assert savings == [10, 55, 100]
