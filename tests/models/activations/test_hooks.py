import pytest
import torch
from tiny_model import hooks_of

from anatomy.models.activations.hooks import modifying, reading


def test_reading_equals_hidden_states_and_stops(tiny, token_ids):
    ids = torch.tensor([token_ids[0]])
    with torch.no_grad():
        reference = tiny.model(ids, output_hidden_states=True).hidden_states
    seen = {}
    with reading(tiny.model, [0, 2, 3], lambda layer, x: seen.__setitem__(layer, x)):
        tiny.model(ids)
        pytest.fail("the forward pass went on after the last layer of interest")
    assert sorted(seen) == [0, 2, 3]
    for layer, x in seen.items():
        torch.testing.assert_close(x, reference[layer])


def test_layer_L_is_the_last_blocks_output(tiny, token_ids):
    ids = torch.tensor([token_ids[0]])
    seen = {}
    with torch.no_grad(), reading(tiny.model, [4], lambda layer, x: seen.__setitem__(layer, x)):
        tiny.model(ids)
    with torch.no_grad():
        logits = tiny.model.lm_head(tiny.model.model.norm(seen[4]))
        torch.testing.assert_close(logits, tiny.model(ids).logits)


def test_modifying_changes_and_then_leaves_no_trace(tiny, token_ids):
    ids = torch.tensor([token_ids[1]])
    with torch.no_grad():
        before = tiny.model(ids).logits
        for site in ("block_input", "attention_output", "mlp_output"):
            with modifying(tiny.model, {(site, 1): lambda x: x + 1.0}):
                assert (tiny.model(ids).logits - before).abs().max() > 0.1
            assert torch.equal(tiny.model(ids).logits, before)


def test_hooks_are_removed_after_an_error(tiny):
    before = hooks_of(tiny.model)
    with pytest.raises(RuntimeError, match="stop"), modifying(tiny.model, {("mlp_output", 0): lambda x: x}):
        raise RuntimeError("stop")
    assert hooks_of(tiny.model) == before
