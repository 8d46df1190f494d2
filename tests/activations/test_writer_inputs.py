import torch

from anatomy.activations.writer_inputs import mean_writer_inputs


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
