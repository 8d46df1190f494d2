"""Whether an export that is not what it says is noticed."""

import shutil

import pytest
import torch
from copied_models import DTYPES, edit_of, recast, tensors_of
from safetensors.torch import save_file

from anatomy.errors import ExportError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.export.layout import read_layout
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import PROBE_TOKENS, TOLERANCES, compare_logits, compare_untouched, weight_dtype
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture
def exported(any_folder, direction, tmp_path):
    edit = edit_of(any_folder, direction)
    (tmp_path / "out").mkdir()
    stream_checkpoint(Checkpoint(any_folder), low_rank_rewrites(edit.factors), tmp_path / "out")
    return any_folder, edit, tmp_path / "out"


def in_memory(edit):
    return lambda loaded: applied(loaded, edit)


def touched(edit):
    return {f"{name}.weight" for name in edit.factors}


def test_logits_are_those_of_the_edit_in_memory(exported):
    source, edit, out = exported
    found = compare_logits(source, out, in_memory(edit))
    dtype = weight_dtype(Checkpoint(source))
    assert found.dtype == str(dtype).removeprefix("torch.") and found.tolerance == TOLERANCES[dtype]
    assert found.difference <= TOLERANCES[dtype] * found.largest
    # the comparison would have seen that nothing, or something else, had been edited
    assert found.effect > 10 * TOLERANCES[dtype] * found.largest
    assert PROBE_TOKENS > 128


def test_an_export_without_its_edit_is_noticed(exported):
    source, edit, _ = exported
    with pytest.raises(ExportError, match="logits that differ by"):
        compare_logits(source, source, in_memory(edit))


def test_one_damaged_matrix_is_noticed(tiny_folder, direction, tmp_path):
    edit = edit_of(tiny_folder, direction)
    out = shutil.copytree(tiny_folder, tmp_path / "out")
    tensors = tensors_of(tiny_folder)
    tensors |= {f"{name}.weight": tensors[f"{name}.weight"] + edit.delta(name) for name in edit.factors}
    save_file(tensors, out / "model.safetensors")
    compare_logits(tiny_folder, out, in_memory(edit))
    tensors["model.layers.0.mlp.down_proj.weight"][5] *= 1.01
    save_file(tensors, out / "model.safetensors")
    with pytest.raises(ExportError, match="logits that differ by"):
        compare_logits(tiny_folder, out, in_memory(edit))


def test_untouched_tensors_are_counted_and_digested(exported):
    source, edit, out = exported
    found = compare_untouched(Checkpoint(source), Checkpoint(out), touched(edit))
    tensors = {name: tensor for name, tensor in tensors_of(source).items() if name not in touched(edit)}
    assert (found.tensors, found.size) == (len(tensors), sum(tensor.nbytes for tensor in tensors.values()))
    assert found == compare_untouched(Checkpoint(source), Checkpoint(source), touched(edit))


def test_one_flipped_bit_is_noticed(exported):
    source, edit, out = exported
    path = next(path for path in Checkpoint(out).files if "model.norm.weight" in {e.name for e in read_layout(path).entries})
    layout = read_layout(path)
    place = len(layout.header) + layout.entry("model.norm.weight").stop - 1
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"other bytes in model\.norm\.weight"):
        compare_untouched(Checkpoint(source), Checkpoint(out), touched(edit))


def test_a_tensor_too_few_or_too_many_is_noticed(tiny_folder, tmp_path):
    tensors = tensors_of(tiny_folder)
    for change in ({"extra.weight": torch.ones(2)}, {"model.norm.weight": None}):
        out = shutil.copytree(tiny_folder, tmp_path / "out", dirs_exist_ok=True)
        save_file({name: tensor for name, tensor in (tensors | change).items() if tensor is not None}, out / "model.safetensors")
        with pytest.raises(ExportError, match=f"tensor {next(iter(change))} on one side only"):
            compare_untouched(Checkpoint(tiny_folder), Checkpoint(out), set())


def test_the_same_values_in_another_dtype_are_not_the_same_bytes(tiny_folder, tmp_path):
    other = recast(tiny_folder, tmp_path / "other", DTYPES["bf16"])
    with pytest.raises(ExportError, match="other bytes"):
        compare_untouched(Checkpoint(tiny_folder), Checkpoint(other), set())
