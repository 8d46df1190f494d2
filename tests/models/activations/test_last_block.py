"""What is left out of the last block is never what somebody reads."""

import pytest
import torch

from anatomy.models.activations.hooks import reading
from anatomy.models.activations.last_block import last_block_at, last_columns

IDS = torch.arange(6, 36).view(3, 10)


@pytest.mark.parametrize("keep", [1, 4, 10])
def test_wanted_logits_are_those_of_a_full_pass_with_fewer_rows_computed(tiny, keep):
    seen = []
    last = tiny.model.model.layers[-1].mlp
    with torch.no_grad():
        expected = tiny.model(IDS).logits[:, -keep:]
        handle = last.down_proj.register_forward_pre_hook(lambda _, args: seen.append(args[0].numel() // args[0].shape[-1]))
        with last_block_at(tiny.model, last_columns(IDS, keep)):
            found = tiny.model(IDS, logits_to_keep=keep).logits
        handle.remove()
        after = tiny.model(IDS).logits[:, -keep:]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert seen == [3 * keep]
    assert torch.equal(after, expected), "the module is what it was"


def test_scattered_places_and_what_hooks_see(tiny):
    wanted = torch.zeros(IDS.shape, dtype=torch.bool)
    wanted[0, 3] = wanted[2, 7] = wanted[2, 9] = True
    layers, plain, narrow = tiny.num_layers, {}, {}
    with torch.no_grad():
        with reading(tiny.model, [layers], plain.__setitem__, stop=False):
            tiny.model(IDS)
        with last_block_at(tiny.model, wanted), reading(tiny.model, [layers], narrow.__setitem__, stop=False):
            tiny.model(IDS)
    assert narrow[layers].shape == plain[layers].shape and narrow[layers].isfinite().all()
    torch.testing.assert_close(narrow[layers][wanted], plain[layers][wanted], rtol=1e-5, atol=1e-5)
