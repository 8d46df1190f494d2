import torch
from mean_inputs import mean_writer_inputs

from anatomy.models.activations.batching import batches
from anatomy.models.activations.means import mean_activations
from anatomy.models.activations.writer_inputs import WriterInputs


def test_mean_inputs_equal_single_prompt_reference(tiny, token_ids):
    found = mean_writer_inputs(tiny, token_ids, position=-1, token_budget=120)
    assert len(found) == 8
    for name in ("model.layers.0.self_attn.o_proj", "model.layers.3.mlp.down_proj"):
        seen = []
        handle = tiny.model.get_submodule(name).register_forward_pre_hook(
            lambda _, args, seen=seen: seen.append(args[0][0, -1].double())
        )
        with torch.no_grad():
            for ids in token_ids:
                tiny.model(torch.tensor([ids]))
        handle.remove()
        torch.testing.assert_close(found[name], torch.stack(seen).mean(0), rtol=0, atol=1e-5)


def test_one_pass_gives_what_two_passes_give(tiny, token_ids):
    """Bit for bit, and no block is run twice for a batch."""
    inputs, passes = WriterInputs(tiny, -1), []
    handle = tiny.model.model.layers[-1].register_forward_hook(lambda *_: passes.append(1))
    together = mean_activations(tiny, token_ids, [-2, -1], token_budget=60, also=inputs.reading)
    handle.remove()
    alone = mean_activations(tiny, token_ids, [-2, -1], token_budget=60)
    assert torch.equal(together.mean, alone.mean) and torch.equal(together.variance, alone.variance)
    expected = mean_writer_inputs(tiny, token_ids, position=-1, token_budget=60)
    assert all(torch.equal(inputs.means()[name], mean) for name, mean in expected.items())
    assert len(passes) == len(list(batches(token_ids, 60, 0, "cpu"))) > 1
