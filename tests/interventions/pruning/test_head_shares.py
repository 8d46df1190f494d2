"""A mask by head: planted heads are found, random masks are not, and matrices that are no heads are left out."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.interventions.pruning.head_shares import head_shares
from anatomy.interventions.pruning.masks import random_mask
from anatomy.interventions.pruning.matrices import scored_names
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    checkpoint = Checkpoint(make_tiny_model(tmp_path_factory.mktemp("heads")))
    names = scored_names(checkpoint)
    return checkpoint, {name: tuple(checkpoint.shape(f"{name}.weight")) for name in names}


def slice_of(checkpoint, shapes, name, head):
    """Places of one head, by indexing a matrix of places."""
    config = checkpoint.text_config
    width = config.get("head_dim") or checkpoint.d_model // config["num_attention_heads"]
    rows, columns = shapes[name]
    places = torch.arange(rows * columns).reshape(rows, columns)
    own = slice(head * width, (head + 1) * width)
    return (places[:, own] if name.endswith("o_proj") else places[own]).flatten().sort().values


@pytest.mark.parametrize(("module", "heads"), [("q_proj", 2), ("o_proj", 2), ("k_proj", 1), ("v_proj", 1)])
def test_a_mask_in_one_head_is_found_there_alone(model, module, heads):
    checkpoint, shapes = model
    name = next(one for one in shapes if one.endswith(module))
    inside = slice_of(checkpoint, shapes, name, heads - 1)
    mask = {one: torch.empty(0, dtype=torch.int64) for one in shapes} | {name: inside[::3]}
    found = [one for one in head_shares(mask, shapes, checkpoint) if one.matrix == name]
    assert [one.weights for one in found] == [*[0] * (heads - 1), len(inside[::3])]
    assert found[-1].size == len(inside) and sum(one.expected for one in found) == pytest.approx(len(inside[::3]))
    if heads > 1:
        assert found[-1].p_value < 1e-6 and found[0].p_value == 1
    else:
        assert found[-1].p_value == 1, "one head has all weights by chance too"


def test_heads_of_a_matrix_hold_all_its_weights_and_mlps_have_none(model):
    checkpoint, shapes = model
    full = {name: torch.arange(rows * columns // 5) for name, (rows, columns) in shapes.items()}
    mask = random_mask(full, shapes, torch.Generator().manual_seed(0))
    found = list(head_shares(mask, shapes, checkpoint))
    names = {one.matrix for one in found}
    assert names == {name for name in shapes if "self_attn" in name}
    for name in names:
        own = [one for one in found if one.matrix == name]
        assert sum(one.weights for one in own) == len(mask[name])
        assert sum(one.size for one in own) == shapes[name][0] * shapes[name][1]
    assert sum(one.p_value < 0.05 for one in found) <= max(3, 0.2 * len(found)), "a random mask prefers no head"


def test_a_matrix_that_is_cut_otherwise_is_left_out(model):
    checkpoint, shapes = model
    name = next(one for one in shapes if one.endswith("q_proj"))
    gated = shapes | {name: (2 * shapes[name][0], shapes[name][1])}
    mask = {one: torch.arange(3) for one in shapes}
    assert name not in {one.matrix for one in head_shares(mask, gated, checkpoint)}
