"""What an export leaves alone, and that what it changes is the edit in memory."""

import shutil

import pytest
import torch
from copied_models import DTYPES, METADATA, bits, edit_of, recast, tensors_of
from safetensors import safe_open
from safetensors.torch import save_file

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.export import stream
from anatomy.interventions.export.companions import INDEX
from anatomy.interventions.export.layout import read_layout
from anatomy.interventions.export.rewrite import Replacement, Sparse, low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

NAME = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture(params=[2**20, 700], ids=["whole", "few rows"])
def chunk(request, monkeypatch):
    """Whole tensors at once, and a few rows at a time with a last chunk that is smaller."""
    monkeypatch.setattr(stream, "CHUNK", request.param)


def test_untouched_tensors_headers_and_metadata_are_the_sources_bytes(any_folder, direction, out, chunk):
    edit = edit_of(any_folder, direction)
    written = stream_checkpoint(Checkpoint(any_folder), low_rank_rewrites(edit.factors), out)
    before, after = tensors_of(any_folder), tensors_of(out)
    edited = {f"{name}.weight" for name in edit.factors}
    assert {one.name for one in written.rewritten} == edited and len(edited) == 4
    assert list(before) == list(after)
    assert {name for name in before if not torch.equal(bits(before[name]), bits(after[name]))} == edited
    assert sorted(path.name for path in out.glob("*.safetensors")) == sorted(written.files)
    for name in written.files:
        assert read_layout(out / name).header == read_layout(any_folder / name).header
        with safe_open(out / name, framework="pt") as file:
            assert file.metadata() == METADATA
    if (any_folder / INDEX).exists():
        assert (out / INDEX).read_bytes() == (any_folder / INDEX).read_bytes()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (any_folder / name).read_bytes()


def test_edited_tensors_have_the_bits_of_the_edit_in_memory(any_folder, direction, out, chunk):
    edit = edit_of(any_folder, direction, sites=["embed_tokens", "o_proj", "down_proj"])
    stream_checkpoint(Checkpoint(any_folder), low_rank_rewrites(edit.factors), out)
    dtype = next(iter(tensors_of(any_folder).values())).dtype
    with applied(load_model(any_folder, dtype, "cpu"), edit) as loaded:
        in_memory = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    after = tensors_of(out)
    assert all(torch.equal(bits(after[name]), bits(tensor)) for name, tensor in in_memory.items())


def test_surviving_share_is_that_of_the_files_dtype(any_folder, direction, out):
    """Small against the weights, an edit is lost in bfloat16 and kept in fp32; the card's definition, in one piece."""
    edit = edit_of(any_folder, direction, method="row_mean", strength=0.05)
    written = stream_checkpoint(Checkpoint(any_folder), low_rank_rewrites(edit.factors), out)
    before = tensors_of(any_folder)
    for one in written.rewritten:
        weight, delta = before[one.name].float(), edit.delta(one.name.removesuffix(".weight"))
        kept = (weight + delta).to(before[one.name].dtype).double() - weight.double()
        share = (kept * delta.double()).sum() / delta.double().square().sum()
        assert one.surviving == pytest.approx(share.item(), rel=1e-5)
        assert one.norm == pytest.approx(edit.card.norms[one.name.removesuffix(".weight")], rel=1e-5)
        if one.dtype == "BF16":
            assert one.surviving == pytest.approx(edit.card.surviving[one.name.removesuffix(".weight")], rel=1e-5)
        if one.dtype == "F32":
            assert one.surviving == pytest.approx(1, abs=1e-3)


def test_sparse_edits_and_replacements_of_any_tensor(any_folder, out):
    """A later method needs no more than a tensor's name and its new values."""
    checkpoint = Checkpoint(any_folder)
    bias = "model.norm.weight"
    places = torch.tensor([3, 700, 701])
    rewrites = {
        NAME: Sparse(checkpoint.shape(NAME), places, torch.zeros(3)),
        bias: Replacement(torch.full(checkpoint.shape(bias), 0.5)),
    }
    stream_checkpoint(checkpoint, rewrites, out)
    before, after = tensors_of(any_folder), tensors_of(out)
    assert not after[NAME].view(-1)[places].any() and (after[bias] == 0.5).all()
    changed = (after[NAME] != before[NAME]).view(-1).nonzero().view(-1)
    assert torch.equal(changed, places)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {NAME, bias}


def test_second_copies_of_the_weights_and_code_stay_behind(tiny_folder, direction, tmp_path, out):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    stay = {
        "consolidated.safetensors",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "modeling.py",
        "README.md",
        "card.json",
        "export.json",
    }
    for name in stay:
        shutil.copyfile(folder / "model.safetensors", folder / name)
    (folder / "LICENSE").write_text("terms")
    stream_checkpoint(Checkpoint(folder), low_rank_rewrites(edit_of(folder, direction).factors), out)
    names = {path.name for path in out.iterdir()}
    assert not names & stay and {"LICENSE", "config.json", "model.safetensors", "tokenizer.json"} <= names


@pytest.mark.parametrize(
    ("rewrites", "message"),
    [
        ({}, "an edit of no tensor"),
        ({"model.layers.9.mlp.down_proj.weight": Replacement(torch.zeros(64, 96))}, "one of 21 other tensors"),
        ({NAME: Replacement(torch.zeros(96, 64))}, r"expected: shape \(64, 96\)"),
    ],
)
def test_edits_that_do_not_fit_are_refused_before_a_byte_is_written(tiny_folder, out, rewrites, message):
    with pytest.raises(EditError, match=message):
        stream_checkpoint(Checkpoint(tiny_folder), rewrites, out)
    assert list(out.iterdir()) == []


def test_quantised_tensors_are_refused(tiny_folder, tmp_path, out):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    tensors = tensors_of(tiny_folder)
    save_file({**tensors, NAME: tensors[NAME].to(torch.int8)}, folder / "model.safetensors")
    with pytest.raises(EditError, match="stored as I8"):
        stream_checkpoint(Checkpoint(folder), {NAME: Replacement(torch.ones(64, 96))}, out)


def test_a_value_beyond_the_dtype_and_an_edit_of_nothing_are_named(any_folder, out):
    checkpoint = Checkpoint(any_folder)
    values = checkpoint.tensor(NAME).float()
    with pytest.raises(NumericsError, match="changes nothing"):
        stream_checkpoint(checkpoint, {NAME: Replacement(values.clone())}, out)
    shutil.rmtree(out)
    out.mkdir()
    values[17, 3] = float("nan")
    with pytest.raises(NumericsError, match=r"down_proj\.weight:\n.*NaN or infinity in row 17"):
        stream_checkpoint(checkpoint, {NAME: Replacement(values)}, out)


def test_half_precision_overflow_is_refused(tiny_folder, direction, tmp_path, out):
    folder = recast(tiny_folder, tmp_path / "half", DTYPES["fp16"])
    with pytest.raises(NumericsError, match=r"torch\.float16 can hold"):
        stream_checkpoint(Checkpoint(folder), low_rank_rewrites(edit_of(folder, direction, strength=1e6).factors), out)
