"""What was done to a checkpoint is named, for changes that are known."""

import json

import pytest
import torch
from audited_checkpoints import exported, fine_tuned, masked, merged_adapter, rank_one, resharded, rewritten, unit
from tiny_model import make_tiny_model

from anatomy.audit.kinds import Kind
from anatomy.audit.weights import audit_weights
from anatomy.errors import ModelError
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint

HALF = torch.bfloat16


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return Checkpoint(make_tiny_model(tmp_path_factory.mktemp("models") / "original", layers=2))


@pytest.fixture(scope="module")
def halved(original, tmp_path_factory):
    """The same model in bfloat16."""
    return rewritten(original, tmp_path_factory.mktemp("models") / "half", lambda _, tensor: tensor.to(HALF))


def kinds(audit):
    return set(audit.counts)


@pytest.mark.parametrize(("sign", "kind", "gain"), [(1, Kind.AMPLIFICATION, 0.5), (-1, Kind.REMOVAL, -0.5)])
@pytest.mark.parametrize("source", ["original", "halved"])
def test_a_projection_is_told_with_its_strength(source, sign, kind, gain, request, tmp_path):
    checkpoint = request.getfixturevalue(source)
    found = audit_weights(checkpoint, rank_one(checkpoint, "projection", sign, tmp_path / "edited", strength=0.5))
    assert kinds(found) == {kind} and found.counts[kind] == 2 * checkpoint.num_layers
    assert all(abs(one.gain - gain) < 0.02 for one in found.changed)
    assert found.shared > 0.999 and abs(torch.dot(found.axis, unit(checkpoint.d_model).double())) > 0.999


def test_the_master_of_a_rounded_checkpoint_is_a_cast_and_so_is_what_an_edit_of_it_leaves_alone(original, halved, tmp_path):
    """A model is released in bfloat16, and somebody has its float32 weights, or edits those."""
    assert kinds(audit_weights(halved, original)) <= {Kind.CAST, Kind.NOTHING}
    found = audit_weights(halved, rank_one(original, "projection", 1, tmp_path / "edited", strength=0.5))
    assert found.counts[Kind.AMPLIFICATION] == 2 * original.num_layers
    assert kinds(found) <= {Kind.AMPLIFICATION, Kind.CAST, Kind.NOTHING}


def test_orthogonalisation_is_a_removal_of_all(original, tmp_path):
    edit = build_edit({"method": "orthogonalize"}, original, unit(original.d_model))
    found = audit_weights(original, exported(original, edit, tmp_path / "edited"))
    assert found.likely == Kind.REMOVAL and all(abs(one.gain + 1) < 1e-3 for one in found.changed)


def test_no_more_is_kept_of_a_tensor_than_vectors(original, tmp_path):
    found = audit_weights(original, fine_tuned(original, tmp_path / "edited"))
    for one in found.changed:
        if one.spectrum is not None:
            kept = [*vars(one.spectrum).values(), one.difference.row_mean, one.stream]
            assert sum(part.numel() for part in kept if isinstance(part, torch.Tensor)) < 8 * sum(one.pair.shape)


@pytest.mark.parametrize("source", ["original", "halved"])
def test_a_mask_is_told_from_other_sparse_changes(source, request, tmp_path):
    checkpoint = request.getfixturevalue(source)
    found = audit_weights(checkpoint, masked(checkpoint, tmp_path / "edited"))
    assert kinds(found) == {Kind.MASK}
    assert all(abs(one.difference.changed - 0.05) < 0.005 for one in found.changed)


@pytest.mark.parametrize("rank", [1, 2, 8])
@pytest.mark.parametrize("source", ["original", "halved"])
def test_a_merged_adapter_has_its_rank(source, rank, request, tmp_path):
    checkpoint = request.getfixturevalue(source)
    found = audit_weights(checkpoint, merged_adapter(checkpoint, tmp_path / "edited", rank))
    assert kinds(found) == {Kind.LOW_RANK}
    assert {one.spectrum.rank for one in found.changed} == {rank}


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_training_of_all_weights_is_dense(original, dtype, tmp_path):
    found = audit_weights(original, fine_tuned(original, tmp_path / "edited", dtype=dtype))
    assert found.likely == Kind.DENSE
    assert {one.kind for one in found.changed if one.pair.is_matrix} == {Kind.DENSE}


def test_a_few_rows_that_changed_are_no_adapter(original, tmp_path):
    """As where training met a few tokens of the vocabulary alone."""

    def trained(name, tensor):
        new = tensor.clone()
        if name == "model.embed_tokens.weight":
            new[5:12] += torch.randn(7, tensor.shape[1], generator=torch.Generator().manual_seed(0))
        return new

    found = audit_weights(original, rewritten(original, tmp_path / "edited", trained))
    assert kinds(found) == {Kind.DENSE} and "7 of " in found.changed[0].evidence


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1"])
def test_a_round_trip_through_gguf_is_noise(kind, tmp_path):
    import gguf
    from tiny_gguf import tiny_model, vocabulary, write_gguf

    from anatomy.models.gguf.conversion import convert

    words = len(vocabulary(tmp_path / "words")[0])
    model = tiny_model("qwen2", words, tie_word_embeddings=True)
    for name in ("F32", kind):
        file = write_gguf(tmp_path / f"{name}.gguf", "qwen2", model, tmp_path / "words", kind=gguf.GGMLQuantizationType[name])
        convert(file, tmp_path / name, dtype=torch.float32, english=False)
    found = audit_weights(Checkpoint(tmp_path / "F32"), Checkpoint(tmp_path / kind))
    assert found.likely == Kind.NOISE and kinds(found) == {Kind.NOISE}


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_an_edit_is_told_beneath_quantisation(kind, tmp_path):
    """A round trip of an edited model, as most edited models are given away; strong, for small matrices have much noise."""
    import gguf
    from tiny_gguf import tiny_model, vocabulary, write_gguf
    from transformers import AutoModelForCausalLM

    from anatomy.models.gguf.conversion import convert

    words = len(vocabulary(tmp_path / "words")[0])
    model = tiny_model("qwen2", words, tie_word_embeddings=True)
    file = write_gguf(tmp_path / "plain.gguf", "qwen2", model, tmp_path / "words", kind=gguf.GGMLQuantizationType.F32)
    convert(file, tmp_path / "original", dtype=torch.float32, english=False)
    original = Checkpoint(tmp_path / "original")
    edited = rank_one(original, "projection", -1, tmp_path / "edited", strength=1.0)
    model = AutoModelForCausalLM.from_pretrained(edited.folder, dtype=torch.float32)
    file = write_gguf(tmp_path / "q.gguf", "qwen2", model, tmp_path / "words", kind=gguf.GGMLQuantizationType[kind])
    convert(file, tmp_path / "given", dtype=torch.float32, english=False)
    found = audit_weights(original, Checkpoint(tmp_path / "given"))
    writers = [one for one in found.changed if one.writes and "embed" not in one.pair.name]
    told = [one for one in writers if one.kind == Kind.REMOVAL]
    assert len(told) == len(writers) == 6 and all(abs(one.gain + 1) < 0.05 for one in told)
    assert {one.kind for one in found.changed} - {Kind.REMOVAL} == {Kind.NOISE}


def test_normal_noise_is_no_quantisation(original, tmp_path):
    def noisy(name, tensor):
        return tensor + 0.01 * tensor.std() * torch.randn(tensor.shape) if tensor.ndim == 2 else tensor

    assert Kind.NOISE not in kinds(audit_weights(original, rewritten(original, tmp_path / "edited", noisy)))


def test_other_files_and_names_are_nothing(original, tmp_path):
    same = [
        rewritten(original, tmp_path / "renamed", lambda _, tensor: tensor),
        resharded(original, tmp_path / "resharded"),
        rewritten(original, tmp_path / "prefix", lambda _, tensor: tensor, lambda name: name.removeprefix("model.")),
    ]
    found = [audit_weights(original, one) for one in same]
    assert {one.likely for one in found} == {Kind.NOTHING}
    assert [bool(one.notes) for one in found] == [False, False, True] and "model." in found[2].notes[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_cast_is_nothing_with_its_share(original, dtype, tmp_path):
    def back(_, tensor):
        return tensor.to(dtype).float()

    cast = rewritten(original, tmp_path / "cast", lambda _, tensor: tensor.to(dtype))
    for edited in (cast, rewritten(original, tmp_path / "back", back)):
        found = audit_weights(original, edited)
        assert found.likely == Kind.CAST and not found.changed
        shares = [one.difference.cast_share for one in found.found if one.pair.is_matrix]
        assert all(0 < share < 2.0 ** (-8 if dtype == torch.bfloat16 else -11) for share in shares)
    assert audit_weights(cast, rewritten(cast, tmp_path / "up", lambda _, tensor: tensor.float())).likely == Kind.CAST


def test_an_edit_is_told_through_a_cast(original, tmp_path):
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=0.5)
    cast = rewritten(edited, tmp_path / "cast", lambda _, tensor: tensor.to(HALF))
    found = audit_weights(original, cast)
    assert found.likely == Kind.AMPLIFICATION and found.counts[Kind.AMPLIFICATION] == 4


def test_a_head_that_was_tied_is_compared_with_the_embedding(tmp_path):
    from anatomy.interventions.export.untied import write_untied

    tied = Checkpoint(make_tiny_model(tmp_path / "tied", layers=1, tied=True))
    (tmp_path / "untied").mkdir()
    untied = write_untied(tied, tmp_path / "untied")
    assert audit_weights(tied, untied).likely == Kind.NOTHING
    assert audit_weights(untied, tied).likely == Kind.NOTHING

    def scaled(name, tensor):
        return tensor * 1.5 if name == "lm_head.weight" else tensor

    found = audit_weights(tied, rewritten(untied, tmp_path / "scaled", scaled))
    assert [one.pair.name for one in found.changed] == ["lm_head.weight"]


def test_another_architecture_is_an_error(original, tmp_path):
    other = Checkpoint(make_tiny_model(tmp_path / "deeper", layers=3))
    with pytest.raises(ModelError, match="another architecture"):
        audit_weights(original, other)
    copy = rewritten(original, tmp_path / "copy", lambda _, tensor: tensor)
    config = json.loads((copy.folder / "config.json").read_text())
    (copy.folder / "config.json").write_text(json.dumps(config | {"model_type": "mistral"}))
    with pytest.raises(ModelError, match="mistral"):
        audit_weights(original, Checkpoint(copy.folder))


def test_weights_that_are_no_numbers_are_an_error(original, tmp_path):
    from anatomy.errors import NumericsError

    def broken(name, tensor):
        return tensor.clone().fill_(float("nan")) if name.endswith("0.mlp.up_proj.weight") else tensor

    with pytest.raises(NumericsError, match=r"0\.mlp\.up_proj"):
        audit_weights(original, rewritten(original, tmp_path / "edited", broken))
