"""Masks: differences, controls of equal counts, and what is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.pruning.masks import (
    difference,
    magnitude_matched,
    pruning_edit,
    random_mask,
    weights_in,
)
from anatomy.interventions.pruning.matrices import scored_names
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

SHAPES = {"a": (200, 100), "b": (50, 40)}


def mask(fraction, seed):
    full = {name: torch.arange(int(fraction * rows * columns)) for name, (rows, columns) in SHAPES.items()}
    return random_mask(full, SHAPES, torch.Generator().manual_seed(seed))


def test_a_difference_has_nothing_that_is_preserved_and_all_else():
    prune, first, second = mask(0.1, 0), mask(0.2, 1), mask(0.05, 2)
    left = difference(prune, [first, second])
    for name in SHAPES:
        naive = set(prune[name].tolist()) - set(first[name].tolist()) - set(second[name].tolist())
        assert set(left[name].tolist()) == naive and bool((left[name].diff() > 0).all())


def test_weights_of_like_magnitude_are_others_and_alike():
    torch.manual_seed(0)
    weights = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    large = {name: weight.abs().flatten().topk(300).indices[::10].sort().values for name, weight in weights.items()}
    like = magnitude_matched(large, weights, torch.Generator().manual_seed(0))
    plain = random_mask(large, SHAPES, torch.Generator().manual_seed(0))
    for name, weight in weights.items():
        assert len(like[name]) == 30 and not set(like[name].tolist()) & set(large[name].tolist())
        size = {
            kind: weight.flatten()[one[name]].abs().mean() for kind, one in (("mask", large), ("like", like), ("plain", plain))
        }
        assert abs(size["like"] - size["mask"]) < 0.2 * abs(size["plain"] - size["mask"])


def test_of_a_mask_of_most_of_a_matrix_as_many_weights_are_matched():
    weights = {name: torch.randn(shape, generator=torch.Generator().manual_seed(0)) for name, shape in SHAPES.items()}
    large = {"a": torch.arange(20), "b": torch.arange(1500)}
    like = magnitude_matched(large, weights, torch.Generator().manual_seed(0))
    assert {name: len(places.unique()) for name, places in like.items()} == {"a": 20, "b": 1500}
    assert torch.isin(torch.arange(1500, 2000), like["b"]).all(), "all others first"


def test_the_edit_zeroes_the_mask_alone_and_goes_without_a_trace(tmp_path):
    folder = make_tiny_model(tmp_path)
    checkpoint, loaded = Checkpoint(folder), load_model(folder, torch.float32, "cpu")
    names = scored_names(checkpoint)
    own = {name: torch.arange(0, 40, 3) if "up_proj" in name else torch.empty(0, dtype=torch.int64) for name in names}
    edit = pruning_edit({"q": 0.1}, "amplify", checkpoint, own)
    before = {name: one.clone() for name, one in loaded.model.state_dict().items()}
    with applied(loaded, edit):
        for name, weight in loaded.model.state_dict().items():
            changed = (weight != before[name]).flatten().nonzero()[:, 0]
            assert torch.equal(changed, own.get(name.removesuffix(".weight"), torch.empty(0, dtype=torch.int64)))
            assert not weight.flatten()[changed].any()
    assert all(torch.equal(one, before[name]) for name, one in loaded.model.state_dict().items())
    assert edit.card.parameters == weights_in(own) and edit.card.intent == "amplify"


def test_a_mask_of_a_whole_matrix_and_one_of_nothing_are_refused(tmp_path):
    checkpoint = Checkpoint(make_tiny_model(tmp_path))
    names = scored_names(checkpoint)
    empty = {name: torch.empty(0, dtype=torch.int64) for name in names}
    whole = empty | {names[0]: torch.arange(torch.Size(checkpoint.shape(f"{names[0]}.weight")).numel())}
    with pytest.raises(EditError, match=r"all \d+ weights of model\.layers\.0"):
        pruning_edit({"q": 1.0}, "amplify", checkpoint, whole)
    with pytest.raises(EditError, match="without weights"):
        pruning_edit({"q": 0.0}, "amplify", checkpoint, empty)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_named_as_one_and_not_as_an_edit_without_a_size(value, tmp_path):
    folder = make_tiny_model(tmp_path)
    names, tensors = scored_names(Checkpoint(folder)), load_file(folder / "model.safetensors")
    tensors[f"{names[3]}.weight"].view(-1)[7] = value
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(NumericsError, match=rf"(?s)weights of {names[3]} that are NaN or infinite.*copy or download"):
        pruning_edit({"q": 0.1}, "amplify", Checkpoint(folder), {name: torch.tensor([7]) for name in names})
