import pytest
import torch
from tiny_model import hooks_of

from anatomy.errors import DataError, NumericsError
from anatomy.models.activations import means
from anatomy.models.activations.batching import batches
from anatomy.models.activations.means import mean_activations

POSITIONS = [-5, -3, -2, -1]


@pytest.fixture(scope="module")
def reference(tiny, token_ids):
    """Activations [prompt, position, layer 0..L, d_model] of unpadded single prompts, from transformers' own record."""
    rows = []
    for ids in token_ids:
        with torch.no_grad():
            hidden = tiny.model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        rows.append(torch.stack([h[0, POSITIONS] for h in hidden[:-1]], 1).double())
    return torch.stack(rows)


def test_moments_equal_single_prompt_reference(tiny, token_ids, reference):
    moments = mean_activations(tiny, token_ids, POSITIONS, token_budget=200)
    assert (moments.positions, moments.layers, moments.count) == ((-5, -3, -2, -1), (0, 1, 2, 3), len(token_ids))
    assert moments.mean.dtype == torch.float64
    torch.testing.assert_close(moments.mean, reference.mean(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(moments.variance, reference.var(0, correction=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 70, 10_000])
@pytest.mark.parametrize("order", ["given", "reversed"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_invariant_to_batch_size_order_and_padding(tiny, token_ids, reference, budget, order, side, monkeypatch):
    monkeypatch.setattr(means, "batches", lambda *arguments: batches(*arguments, side))
    prompts = token_ids if order == "given" else token_ids[::-1]
    moments = mean_activations(tiny, prompts, POSITIONS, token_budget=budget)
    torch.testing.assert_close(moments.mean, reference.mean(0), rtol=0, atol=1e-5)


def test_output_of_the_last_block_is_layer_L(tiny, token_ids):
    moments = mean_activations(tiny, token_ids, [-1], token_budget=200, layers=[2, 4])
    seen = []
    handle = tiny.model.model.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0][0, -1].double()))
    with torch.no_grad():
        for ids in token_ids:
            tiny.model(torch.tensor([ids]))
    handle.remove()
    torch.testing.assert_close(moments.mean[0, 1], torch.stack(seen).mean(0), rtol=0, atol=1e-5)


def test_weighted_sums(tiny, token_ids, reference):
    weights = torch.randn(len(token_ids), 3, generator=torch.Generator().manual_seed(0))
    moments = mean_activations(tiny, token_ids, POSITIONS, token_budget=100, weights=weights)
    expected = torch.einsum("nw,npld->wpld", weights.double(), reference)
    torch.testing.assert_close(moments.weighted, expected, rtol=0, atol=1e-4)


def test_nan_names_layer_and_prompt(tiny, token_ids):
    names = [f"item-{i}" for i in range(len(token_ids))]
    block = tiny.model.model.layers[1]

    def poison(_module, args, output):
        # Only the prompt of this length is hit, whatever batch it is in.
        if args[0].shape[1] == len(token_ids[2]):
            output = output.clone()
            output[:, -1, 5] = torch.nan
        return output

    handle = block.register_forward_hook(poison)
    try:
        with pytest.raises(NumericsError, match="layer 2, prompt item-2"):
            mean_activations(tiny, token_ids, [-1], token_budget=1, ids=names)
    finally:
        handle.remove()


def test_unusable_prompts_are_refused(tiny, token_ids):
    with pytest.raises(DataError, match="no prompts"):
        mean_activations(tiny, [], [-1], token_budget=10)
    with pytest.raises(DataError, match="prompt short"):
        mean_activations(tiny, [token_ids[0], [1, 2]], [-3, -1], token_budget=10, ids=["long", "short"])


def test_no_hook_stays_and_no_head_runs(tiny, token_ids, monkeypatch):
    monkeypatch.setattr(tiny.model.lm_head, "forward", None)
    before = hooks_of(tiny.model)
    mean_activations(tiny, token_ids, [-1], token_budget=100, layers=[4])
    assert hooks_of(tiny.model) == before
