"""Sparse and head edits as data: what they change, what they refuse, and that a folder gives them back."""

import pytest
import torch
from edit_kinds import head, low_rank, pruned, trained
from safetensors.torch import load_file, save_file
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.adapter import write_stack
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.head import head_edit
from anatomy.interventions.edits.low_rank import low_rank_edit
from anatomy.interventions.edits.saved import CARD, WEIGHTS, load_edit, save_edit, saved_edit, spec_of
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.interventions.edits.weight_edit import WeightEdit, check_stack, edited_tensors, stack_digest, touched
from anatomy.interventions.export.untied import write_untied
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

NAME = "model.layers.1.mlp.up_proj"


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_only_the_named_places_change_and_all_goes_back(tiny, checkpoint):
    places = torch.tensor([0, 7, 96 * 64 - 1]), torch.tensor([1.0, -2.0, 0.0])
    edit, before = sparse_edit({"method": "test"}, "amplify", checkpoint, {NAME: places}, [NAME]), snapshot(tiny.model)
    with applied(tiny, edit) as edited:
        after = snapshot(edited.model)
    different = {name for name in before if not torch.equal(before[name], after[name])}
    assert different == {f"{NAME}.weight"}
    changed = (before[f"{NAME}.weight"] != after[f"{NAME}.weight"]).view(-1).nonzero().view(-1)
    assert changed.tolist() == places[0].tolist()
    assert after[f"{NAME}.weight"].view(-1)[places[0]].tolist() == places[1].tolist()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.model.state_dict().items())


@pytest.mark.parametrize("rank", [None, 3])
def test_a_head_edit_adds_its_residual_to_the_logits(tiny, checkpoint, logits, token_ids, rank):
    edit, plain = head(checkpoint, rank=rank), logits(tiny.model)
    with torch.no_grad():
        states = torch.stack([tiny.model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1] for ids in token_ids])
    with applied(tiny, edit) as edited:
        assert torch.allclose(logits(edited.model), plain + states @ edit.delta().T, atol=1e-4)
    assert torch.equal(logits(tiny.model), plain)


def test_cards_measure_the_edit(checkpoint):
    edit, names = pruned(checkpoint, share=0.25), None
    names = edit.card.expected
    assert edit.card.edited == names and len(names) == 12 and edit.card.rank is None
    assert edit.card.parameters == sum(len(indices) for indices, _ in edit.places.values())
    weight = checkpoint.tensor(f"{names[0]}.weight")
    assert edit.card.norms[names[0]] == pytest.approx(weight.view(-1)[edit.places[names[0]][0]].norm().item(), rel=1e-6)
    assert edit.card.relative_norms[names[0]] == pytest.approx(0.5, abs=0.05), "a quarter of the places, half the norm"
    assert 0.99 < edit.card.surviving_share < 1.01
    low = head(checkpoint, rank=4)
    assert (low.card.rank, low.card.edited) == (4, ("lm_head",)) and low.card.norms["lm_head"] == pytest.approx(
        low.delta().norm().item(), rel=1e-5
    )


def test_a_matrix_may_have_no_places_but_not_all(checkpoint):
    none = torch.empty(0, dtype=torch.int64), torch.empty(0)
    names = [NAME, "model.layers.0.mlp.up_proj"]
    edit = sparse_edit({}, "amplify", checkpoint, {NAME: none, names[1]: (torch.tensor([3]), torch.tensor([9.0]))}, names)
    assert edit.tensors == (f"{names[1]}.weight",) and edit.card.surviving[NAME] == 1.0
    with pytest.raises(NumericsError, match="squared norm 0"):
        sparse_edit({}, "amplify", checkpoint, {NAME: none}, [NAME])


@pytest.mark.parametrize(
    ("name", "indices", "values", "message"),
    [
        (NAME, [3, 3], [0.0, 0.0], "repeat, descend or lie outside"),
        (NAME, [4, 3], [0.0, 0.0], "repeat, descend"),
        (NAME, [96 * 64], [0.0], "lie outside"),
        (NAME, [-1], [0.0], "lie outside"),
        (NAME, [3], [0.0, 1.0], "as many float32"),
        (NAME, [3], [float("nan")], "NaN"),
        ("model.layers.9.mlp.up_proj", [3], [0.0], "a floating-point matrix of a block"),
        ("lm_head", [3], [0.0], "HeadEdit"),
        ("model.layers.0.input_layernorm", [3], [0.0], "a floating-point matrix"),
    ],
)
def test_impossible_places_are_refused(checkpoint, name, indices, values, message):
    with pytest.raises(EditError, match=message):
        sparse_edit({}, "amplify", checkpoint, {name: (torch.tensor(indices), torch.tensor(values))}, [name])


def test_an_inventory_that_is_not_whole_is_refused(checkpoint):
    with pytest.raises(EditError, match=r"first difference model\.layers\.0\.mlp\.up_proj"):
        sparse_edit(
            {}, "amplify", checkpoint, {NAME: (torch.tensor([3]), torch.tensor([9.0]))}, [NAME, "model.layers.0.mlp.up_proj"]
        )


def test_impossible_heads_are_refused(checkpoint):
    for residual in (torch.zeros(3, 64), torch.zeros(400, 64).double(), (torch.zeros(2, 64), torch.zeros(400, 3))):
        with pytest.raises(EditError, match="float32"):
            head_edit({}, "amplify", checkpoint, residual)
    with pytest.raises(NumericsError, match="squared norm nan"):
        head_edit({}, "amplify", checkpoint, torch.full((400, 64), float("nan")))


def test_a_tied_head_is_edited_alone_and_an_untied_copy_is_the_same_function(tmp_path, token_ids, logits):
    tied = Checkpoint(make_tiny_model(tmp_path / "tied", tied=True))
    embedding = low_rank_edit(
        {}, "amplify", tied, {"model.embed_tokens": (torch.ones(1, 400), torch.ones(64, 1))}, ["model.embed_tokens"]
    )
    with pytest.raises(EditError, match="write_untied"):
        check_stack([embedding], tied)
    (tmp_path / "untied").mkdir()
    copy = write_untied(tied, tmp_path / "untied")
    assert not copy.tied_embeddings and copy.digest() != tied.digest()
    loaded = load_tiny_model(copy.folder)
    plain = logits(loaded.model)
    assert torch.equal(plain, logits(load_tiny_model(tied.folder).model))
    with applied(loaded, head(copy)) as edited:
        assert not torch.equal(logits(edited.model), plain)
        assert torch.equal(edited.model.get_input_embeddings().weight, copy.tensor("model.embed_tokens.weight"))
    with pytest.raises(EditError, match="a head of its own"):
        write_untied(copy, tmp_path)


def test_a_stack_is_computed_in_order_in_fp32_and_cast_once(tiny_folder, checkpoint):
    first, second = pruned(checkpoint), low_rank(checkpoint)
    name = "model.layers.0.mlp.down_proj.weight"
    weight = checkpoint.tensor(name).bfloat16().float()  # what a model opened in bfloat16 holds
    expected = second.edited(name, first.edited(name, weight))
    stack = dict(edited_tensors([first, second], checkpoint, torch.bfloat16))
    assert torch.equal(stack[name], expected.bfloat16()) and set(stack) == set(touched([first, second]))
    other = dict(edited_tensors([second, first], checkpoint, torch.bfloat16))
    assert not torch.equal(other[name], stack[name]), "what is pruned last is zero, what is pruned first is not"
    assert stack_digest([first, second]) != stack_digest([second, first])
    loaded = load_model(tiny_folder, torch.bfloat16, "cpu")
    with applied(loaded, first, second) as edited:
        assert torch.equal(edited.model.state_dict()[name], stack[name])


def test_low_rank_edits_stack_to_one_adapter(tiny_folder, tiny, checkpoint, logits, tmp_path):
    from peft import PeftModel

    edits = [low_rank(checkpoint), low_rank(checkpoint, seed=1, strength=-0.5)]
    write_stack(edits, tmp_path / "adapter", checkpoint)
    with applied(tiny, *edits) as edited:
        expected = logits(edited.model)
    found = logits(PeftModel.from_pretrained(load_tiny_model(tiny_folder).model, tmp_path / "adapter"))
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("make", [pruned, head, lambda checkpoint: head(checkpoint, rank=4)])
def test_a_folder_gives_the_edit_back(checkpoint, other_folder, tmp_path, make):
    edit = make(checkpoint)
    save_edit(edit, tmp_path, checkpoint)
    back = load_edit(tmp_path, checkpoint)
    assert isinstance(back, WeightEdit) and back.digest() == edit.digest() and back.card == edit.card
    with pytest.raises(EditError, match="an edit for model"):
        load_edit(tmp_path, Checkpoint(other_folder))
    tensors = load_file(tmp_path / WEIGHTS)
    key = next(name for name in tensors if not name.endswith("indices"))
    save_file(tensors | {key: tensors[key] + 1}, tmp_path / WEIGHTS)
    with pytest.raises(EditError, match="differ from their card"):
        load_edit(tmp_path, checkpoint)
    save_file({name: tensor for name, tensor in tensors.items() if name != key}, tmp_path / WEIGHTS)
    with pytest.raises(EditError, match="every matrix on the card"):
        load_edit(tmp_path, checkpoint)
    (tmp_path / CARD).unlink()
    with pytest.raises(EditError, match=r"no edit\.card\.json"):
        load_edit(tmp_path, checkpoint)


def test_a_folder_gives_an_adapter_back(checkpoint, other_folder, tmp_path):
    edit = trained(checkpoint)
    assert edit.card.rank == 2 and edit.card.expected == edit.card.edited and len(edit.factors) == 8
    save_edit(edit, tmp_path, checkpoint)
    back = load_edit(tmp_path, checkpoint)
    assert isinstance(back, WeightEdit) and back.digest() == edit.digest() and back.card == edit.card
    spec = spec_of(edit, tmp_path)
    assert saved_edit(spec, checkpoint).digest() == edit.digest()
    with pytest.raises(EditError, match="as its spec says"):
        saved_edit(spec | {"digest": "0" * 64}, checkpoint)
    with pytest.raises(EditError, match="an edit for model"):
        load_edit(tmp_path, Checkpoint(other_folder))
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(EditError, match=r"no adapter_model\.safetensors"):
        load_edit(tmp_path, checkpoint)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"model.layers.0.mlp.up_proj": (2, 64, 96, 2)}, None),
        ({"model.layers.0.mlp.up_proj": (2, 63, 96, 2)}, "a product of shape"),
        ({"model.layers.0.mlp.up_proj": (2, 64, 96, 3)}, "one rank"),
        ({"model.layers.0.mlp.up_proj": (2, 64, 96, 2), "model.layers.1.mlp.up_proj": (3, 64, 96, 3)}, "one rank"),
        ({"model.layers.0.input_layernorm": (1, 64, 64, 1)}, "a floating-point matrix of a block"),
        ({"lm_head": (2, 64, 400, 2)}, "HeadEdit"),
    ],
)
def test_factors_that_fit_no_matrix_are_refused(checkpoint, factors, message):
    made = {name: (torch.ones(rank, columns), torch.ones(rows, other)) for name, (rank, columns, rows, other) in factors.items()}
    if message is None:
        assert low_rank_edit({}, "amplify", checkpoint, made, list(made)).card.rank == 2
        with pytest.raises(EditError, match="first difference"):
            low_rank_edit({}, "amplify", checkpoint, made, [*made, "model.layers.1.mlp.up_proj"])
    else:
        with pytest.raises(EditError, match=message):
            low_rank_edit({}, "amplify", checkpoint, made, list(made))


def test_an_edit_to_measure_is_written_to_private_folders_alone(checkpoint, tmp_path):
    name = NAME
    edit = sparse_edit({}, "measure", checkpoint, {name: (torch.tensor([3]), torch.tensor([9.0]))}, [name])
    with pytest.raises(EditError, match="intent measure"):
        save_edit(edit, tmp_path / "kept", checkpoint)
    assert not (tmp_path / "kept").exists()
    save_edit(edit, tmp_path / "private", checkpoint, private=True)
    assert load_edit(tmp_path / "private", checkpoint).card.intent == "measure"
