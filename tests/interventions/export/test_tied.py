"""An edit that touches one of two tied matrices parts them; an edit of anything else leaves them tied."""

import json

import pytest
import torch
from copied_models import DTYPES, bits, edit_of, recast, tensors_of
from tiny_model import load_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.export.companions import INDEX
from anatomy.interventions.export.rewrite import LowRank, low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
TOKENS = torch.arange(3, 63)[None]


def logits(model):
    with torch.no_grad():
        return model(input_ids=TOKENS).logits


@pytest.fixture(params=[1, 3], ids=["one file", "shards"])
def folder(request, tied_folder, tmp_path):
    return recast(tied_folder, tmp_path / "model", DTYPES["fp32"], request.param)


@pytest.fixture
def rewrite(folder, direction):
    shape = Checkpoint(folder).shape(EMBEDDING)
    embedding = Checkpoint(folder).tensor(EMBEDDING)
    return LowRank((embedding @ direction)[None], 3.0 * direction[:, None], transposed=True), shape


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_an_edit_of_the_embedding_unties_the_head(folder, rewrite, out):
    assert HEAD not in Checkpoint(folder).names()
    written = stream_checkpoint(Checkpoint(folder), {EMBEDDING: rewrite[0]}, out)
    before, after = tensors_of(folder), tensors_of(out)
    assert written.untied and set(after) == {*before, HEAD}
    assert torch.equal(bits(after[HEAD]), bits(before[EMBEDDING]))
    assert not torch.equal(after[EMBEDDING], before[EMBEDDING])
    assert all(torch.equal(bits(after[name]), bits(before[name])) for name in set(before) - {EMBEDDING})
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False
    if (folder / INDEX).exists():
        index = json.loads((out / INDEX).read_text())
        assert index["weight_map"][HEAD] == index["weight_map"][EMBEDDING]
        assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in after.values())


def test_the_untied_model_is_the_edit_in_memory_with_a_head_of_its_own(folder, rewrite, out):
    stream_checkpoint(Checkpoint(folder), {EMBEDDING: rewrite[0]}, out)
    reference = load_tiny_model(folder).model
    plain = logits(reference)
    head = torch.nn.Parameter(reference.lm_head.weight.detach().clone(), requires_grad=False)
    reference.lm_head.weight = head
    with torch.no_grad():
        reference.model.embed_tokens.weight += (rewrite[0].b @ rewrite[0].a).T
    expected, found = logits(reference), logits(load_tiny_model(out).model)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert (expected - plain).abs().max() > 0.01 * expected.abs().max()


def test_an_edit_of_the_head_leaves_the_embedding(folder, rewrite, out):
    stream_checkpoint(Checkpoint(folder), {HEAD: rewrite[0]}, out)
    before, after = tensors_of(folder), tensors_of(out)
    assert torch.equal(after[EMBEDDING], before[EMBEDDING])
    assert torch.equal(after[HEAD], rewrite[0](before[EMBEDDING], 0)[0])


def test_writers_are_edited_without_untying(folder, direction, out):
    written = stream_checkpoint(Checkpoint(folder), low_rank_rewrites(edit_of(folder, direction).factors), out)
    assert not written.untied and HEAD not in Checkpoint(out).names()
    assert (out / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_a_head_that_is_there_although_tied_is_kept_as_it_is(folder, rewrite, out, tmp_path):
    """Some checkpoints hold both matrices and say that they are one."""
    first = tmp_path / "first"
    first.mkdir()
    stream_checkpoint(Checkpoint(folder), {EMBEDDING: rewrite[0]}, first)
    (first / "config.json").write_bytes((folder / "config.json").read_bytes())
    stream_checkpoint(Checkpoint(first), {EMBEDDING: rewrite[0]}, out)
    before, after = tensors_of(first), tensors_of(out)
    assert set(after) == set(before) and torch.equal(after[HEAD], before[HEAD])
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False


def test_an_edit_of_a_stored_head_that_is_not_the_embedding_it_is_tied_to_is_refused(folder, rewrite, out, tmp_path):
    """In memory and in an engine such an edit is one of the embedding's copy, which the file does not hold."""
    stored = tmp_path / "stored"
    stored.mkdir()
    stream_checkpoint(Checkpoint(folder), {EMBEDDING: rewrite[0]}, stored)
    (stored / "config.json").write_bytes((folder / "config.json").read_bytes())
    head = LowRank(torch.ones(1, rewrite[1][1]), torch.ones(rewrite[1][0], 1))
    with pytest.raises(EditError, match="differs from the embedding"):
        stream_checkpoint(Checkpoint(stored), {HEAD: head}, out)


def test_matrices_tied_under_other_names_are_refused(tied_folder, rewrite, tmp_path, out):
    from safetensors.torch import save_file

    folder = recast(tied_folder, tmp_path / "nested", DTYPES["fp32"])
    tensors = {f"language_model.{name}": tensor for name, tensor in tensors_of(folder).items()}
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(EditError, match=r"language_model\.model\.embed_tokens\.weight, tied to another matrix"):
        stream_checkpoint(Checkpoint(folder), {f"language_model.{EMBEDDING}": rewrite[0]}, out)
