"""A stack of edits in an exported checkpoint is the stack in memory, whatever kinds it has and in whatever order."""

from itertools import permutations

import pytest
import torch
from copied_models import DTYPES, recast, tensors_of
from stacked_edits import WEIGHTS, every_part, in_turn
from tiny_model import load_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.interventions.edits.weight_edit import edited_tensors, touched
from anatomy.interventions.export import stream
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint

ORDERS = [*permutations(WEIGHTS, 2), ("mask", "rank one", "trained adapter", "low-rank head"), tuple(reversed(WEIGHTS))]


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def source(request, tiny_folder, tmp_path_factory):
    folder = recast(tiny_folder, tmp_path_factory.mktemp("source") / "model", DTYPES[request.param], shards=2)
    return Checkpoint(folder), DTYPES[request.param]


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("names", ORDERS, ids=" + ".join)
def test_exported_tensors_are_those_of_the_stack(source, out, names, monkeypatch):
    checkpoint, dtype = source
    monkeypatch.setattr(stream, "CHUNK", 3000)  # several chunks a tensor, the last one smaller
    parts = every_part(checkpoint)
    stack = [parts[name] for name in names]
    written = stream_checkpoint(checkpoint, stack_rewrites(stack), out)
    found, before = tensors_of(out), tensors_of(checkpoint.folder)
    expected = dict(edited_tensors(stack, checkpoint, dtype))
    assert {one.name for one in written.rewritten} == set(expected) == set(touched(stack))
    # Products of factors are summed in other orders: a unit in the last place of what the format holds.
    rounding = {torch.float32: 1e-6, torch.bfloat16: 2.0**-7}[dtype]
    for name, tensor in before.items():
        if name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=rounding, atol=1e-6)
        else:
            assert torch.equal(found[name], tensor)
    for one in written.rewritten:
        change = (expected[one.name].double() - before[one.name].double()).norm()
        assert one.norm == pytest.approx(float(change), rel=0.02)


@pytest.mark.parametrize("names", ORDERS[-2:], ids=" + ".join)
def test_the_exported_model_computes_what_the_parts_in_turn_compute(tiny_folder, out, names):
    checkpoint, loaded = Checkpoint(tiny_folder), load_tiny_model(tiny_folder)
    stack = [every_part(checkpoint)[name] for name in names]
    stream_checkpoint(checkpoint, stack_rewrites(stack), out)

    @torch.no_grad()
    def logits(model):
        return model(input_ids=torch.arange(3, 63)[None]).logits

    expected, plain = in_turn(loaded, stack, logits), logits(loaded.model)
    found = logits(load_tiny_model(out).model)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max() < (expected - plain).abs().max()


def test_a_tensor_that_no_edit_changes_is_copied(tiny_folder, out):
    """Places that hold their new values already; under another edit of the same tensor they count."""
    checkpoint, name = Checkpoint(tiny_folder), "model.layers.0.mlp.down_proj"
    place = torch.tensor([5])
    same = place, checkpoint.tensor(f"{name}.weight").view(-1)[place]
    other = "model.layers.1.mlp.down_proj"
    edit = sparse_edit({}, "amplify", checkpoint, {name: same, other: (place, torch.tensor([9.0]))}, [name, other])
    assert set(stack_rewrites([edit])) == {f"{other}.weight"}
    stream_checkpoint(checkpoint, stack_rewrites([edit]), out)
    assert torch.equal(tensors_of(out)[f"{name}.weight"], checkpoint.tensor(f"{name}.weight"))
    rank_one = every_part(checkpoint)["rank one"]
    new, _ = stack_rewrites([rank_one, edit])[f"{name}.weight"](checkpoint.tensor(f"{name}.weight"), 0)
    assert new.view(-1)[5] == same[1] and not torch.equal(new, checkpoint.tensor(f"{name}.weight"))


def test_edits_of_models_of_other_shapes_are_refused(tiny_folder, tmp_path):
    from tiny_model import make_tiny_model

    deeper = Checkpoint(make_tiny_model(tmp_path / "deeper", layers=3))
    checkpoint = Checkpoint(tiny_folder)
    name = "model.layers.0.mlp.down_proj"
    rank_one = every_part(deeper)["rank one"]
    a, b = rank_one.factors[name]
    rank_one.factors[name] = a[:, :-1], b
    with pytest.raises(EditError, match="one shape"):
        stack_rewrites([every_part(checkpoint)["mask"], rank_one])
