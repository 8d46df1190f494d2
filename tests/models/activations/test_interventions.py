import pytest
import torch

from anatomy.errors import EditError
from anatomy.models.activations.batching import padded
from anatomy.models.activations.hooks import SITES, reading
from anatomy.models.activations.interventions import Intervention, intervening


def unit(seed, k=1):
    rows = torch.randn(64, k, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(rows).Q.T.contiguous()


def everywhere(kind, basis, *, scale=1.0, target=None, positions="all", layers=(0, 1, 2, 3), sites=SITES):
    vectors = basis.expand(len(layers), -1, -1)
    targets = None if target is None else torch.full((len(layers), basis.shape[0]), target)
    return Intervention(kind, layers, vectors, targets, scale, sites, positions)


def stream(loaded, ids, layers=(0, 1, 2, 3, 4)):
    seen = {}
    with torch.no_grad(), reading(loaded.model, layers, lambda layer, x: seen.__setitem__(layer, x)):
        loaded.model(torch.tensor([ids]))
    return seen


def test_ablation_everywhere_leaves_nothing_along_the_basis(tiny, token_ids):
    basis = unit(0, k=2)
    with intervening(tiny.model, [everywhere("ablate", basis)]):
        seen = stream(tiny, token_ids[0])
    # The reader stands before the change at its own block, so layer 0 is the plain embedding.
    for layer in (1, 2, 3, 4):
        assert (seen[layer] @ basis.T).abs().max() < 1e-5 * seen[layer].norm(dim=-1).max()


def test_clamp_sets_the_projection(tiny, token_ids):
    basis = unit(1)
    clamp = everywhere("clamp", basis, target=2.5, sites=("block_input",))
    change = clamp.change(0, x := torch.randn(5, 64))
    torch.testing.assert_close((x + change) @ basis.T, torch.full((5, 1), 2.5))
    with intervening(tiny.model, [clamp]), torch.no_grad():
        changed = tiny.model(torch.tensor([token_ids[0]])).logits
    assert (changed - tiny.model(torch.tensor([token_ids[0]])).logits).abs().max() > 0.01


def test_addition_shifts_its_layer_by_the_scaled_vector(tiny, token_ids):
    vector = 3.0 * unit(2)
    add = everywhere("add", vector, scale=0.5, layers=(2,), sites=("block_input",))
    plain = stream(tiny, token_ids[0])
    seen = {}

    def read(_module, args, _kwargs):
        seen[2] = args[0]

    with intervening(tiny.model, [add]), torch.no_grad():
        handle = tiny.model.model.layers[2].register_forward_pre_hook(read, with_kwargs=True)
        tiny.model(torch.tensor([token_ids[0]]))
        handle.remove()
    torch.testing.assert_close(seen[2], plain[2] + 0.5 * vector)


@pytest.mark.parametrize("positions", ["all", "last_prompt", "generated"])
def test_cached_generation_equals_one_pass_over_prompt_and_answer(tiny, token_ids, positions):
    """Greedy tokens found step by step are the argmax of one uncached pass under the same intervention."""
    add = everywhere("add", 8.0 * unit(3), positions=positions, layers=(1,), sites=("block_input",))
    batch = padded(token_ids[:3], range(3), tiny.pad_token_id, "cpu")
    width = batch.input_ids.shape[1]
    options = dict(max_new_tokens=6, min_new_tokens=6, do_sample=False)
    plain = tiny.model.generate(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **options)
    with intervening(tiny.model, [add]):
        out = tiny.model.generate(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **options)
    assert not torch.equal(out, plain)
    mask = torch.cat([batch.attention_mask, torch.ones(3, 6, dtype=torch.long)], 1)
    position_ids = (mask.cumsum(1) - 1).clamp(min=0)
    with intervening(tiny.model, [add], prompt_width=width), torch.no_grad():
        logits = tiny.model(input_ids=out, attention_mask=mask, position_ids=position_ids).logits[:, width - 1 : -1]
    logits[..., tiny.tokenizer.eos_token_id] = -torch.inf
    chosen = logits.gather(2, out[:, width:, None])[..., 0]
    assert (logits.max(-1).values - chosen).max() < 1e-4
    if positions == "generated":
        assert torch.equal(out[:, width], plain[:, width])


def test_bases_that_are_not_orthonormal_are_refused():
    with pytest.raises(EditError, match="orthonormal"):
        everywhere("ablate", 2.0 * unit(0))
    with pytest.raises(EditError, match="targets"):
        everywhere("clamp", unit(0))
    with pytest.raises(EditError, match="NaN"):
        everywhere("add", torch.full((1, 64), torch.nan))
