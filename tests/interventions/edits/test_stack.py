"""A stack of edits of any kinds is its parts applied in turn, and nothing is left of it."""

from itertools import permutations

import pytest
import torch
from stacked_edits import HOOKS, WEIGHTS, every_part, in_turn
from tiny_model import hooks_of

from anatomy.errors import EditError
from anatomy.interventions.edits.stack import under_stack, weights_and_hooks
from anatomy.models.loading import load_model

PAIRS = list(permutations((*WEIGHTS, *HOOKS), 2))
LONGER = [
    ("mask", "ablate", "rank one", "add", "low-rank head"),
    ("add", "rank one", "ablate", "mask", "dense head"),
    ("ablate", "add", "clamp", "ablate behind blocks"),
    ("trained adapter", "mask", "rank one", "dense head", "low-rank head"),
]
ORDER_MATTERS = [("mask", "rank one"), ("mask", "trained adapter"), ("ablate", "add"), ("clamp", "add"), ("ablate", "clamp")]
"""Kinds that meet at one place. All other pairs give the same in either order."""


@pytest.fixture(scope="module")
def parts(checkpoint):
    found = every_part(checkpoint)
    assert tuple(found) == (*WEIGHTS, *HOOKS)
    return found


def under(loaded, stack, logits):
    with under_stack(loaded, stack) as edited:
        return logits(edited.model)


@pytest.mark.parametrize("names", [*PAIRS, *LONGER], ids=" + ".join)
def test_a_stack_is_its_parts_in_turn(tiny, parts, logits, names):
    stack = [parts[name] for name in names]
    found, expected = under(tiny, stack, logits), in_turn(tiny, stack, logits)
    assert torch.equal(found, expected)
    for left in range(len(stack)):
        fewer = under(tiny, stack[:left] + stack[left + 1 :], logits)
        assert (found - fewer).abs().max() > 1e-3, f"{names[left]} must show"


@pytest.mark.parametrize("names", ORDER_MATTERS, ids=" + ".join)
def test_order_counts_where_two_parts_meet(tiny, parts, logits, names):
    stack = [parts[name] for name in names]
    assert (under(tiny, stack, logits) - under(tiny, stack[::-1], logits)).abs().max() > 1e-3


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("hook", HOOKS)
def test_one_of_weights_and_one_of_activations_commute(tiny, parts, logits, weight, hook):
    stack = [parts[weight], parts[hook]]
    assert torch.equal(under(tiny, stack, logits), under(tiny, stack[::-1], logits))
    assert weights_and_hooks(stack) == weights_and_hooks(stack[::-1]) == ([stack[0]], [stack[1]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("names", LONGER, ids=" + ".join)
def test_nothing_is_left_of_a_stack_whatever_happens_in_its_body(tiny_folder, parts, logits, names, dtype):
    loaded = load_model(tiny_folder, dtype, "cpu")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    plain, hooks = logits(loaded.model), hooks_of(loaded.model)
    with pytest.raises(KeyboardInterrupt), under_stack(loaded, [parts[name] for name in names]):
        raise KeyboardInterrupt
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert hooks_of(loaded.model) == hooks and torch.equal(logits(loaded.model), plain)


def test_in_a_narrow_format_a_stack_of_weights_is_cast_once(tiny_folder, parts, logits):
    """Parts in turn round after each; a stack does not: between the two lies rounding alone."""
    loaded = load_model(tiny_folder, torch.bfloat16, "cpu")
    stack = [parts[name] for name in ("rank one", "trained adapter", "mask")]
    once, each = under(loaded, stack, logits), in_turn(loaded, stack, logits)
    exact = under(load_model(tiny_folder, torch.float32, "cpu"), stack, logits)
    assert not torch.equal(once, each) and (once - each).abs().max() < 0.1 * exact.abs().max()


def test_a_stack_with_one_part_that_does_not_fit_changes_nothing(tiny, other_folder, parts, logits):
    from edit_kinds import low_rank

    from anatomy.models.checkpoint import Checkpoint

    plain, hooks = logits(tiny.model), hooks_of(tiny.model)
    stack = [parts["ablate"], parts["mask"], low_rank(Checkpoint(other_folder))]
    with pytest.raises(EditError, match="an edit for model"), under_stack(tiny, stack):
        pytest.fail("the body must not run")
    assert torch.equal(logits(tiny.model), plain) and hooks_of(tiny.model) == hooks
