"""Adapters as grouped products give what each token's own factors give."""

import pytest
import torch

from anatomy.serving.environment import installed_set, prepare_environment

pytestmark = [pytest.mark.engine, pytest.mark.skipif(installed_set() != "cpu", reason="of the CPU backend")]


@pytest.mark.parametrize("rank", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("widths", [(24,), (16, 8)])
def test_every_token_gets_its_own_adapter_and_none_where_it_has_none(rank, dtype, widths):
    prepare_environment(1)
    from anatomy.serving.cpu_adapters import GroupedAdapters

    draw = torch.Generator().manual_seed(rank)
    slots, tokens, d_in = 3, 7, 20
    wrapper = GroupedAdapters(64, 8, "cpu")
    own = torch.tensor([2, 0, -1, 1, 1, 0, -1])
    wrapper._token_lora_indices[:tokens], wrapper.indices_len[0] = own, tokens
    x, y = torch.randn(tokens, d_in, generator=draw).to(dtype), torch.randn(tokens, sum(widths), generator=draw).to(dtype)
    a = tuple(torch.randn(slots, 1, rank, d_in, generator=draw).to(dtype) for _ in widths)
    b = tuple(torch.randn(slots, 1, width, rank, generator=draw).to(dtype) for width in widths)
    expected = y.double()
    for token, slot in enumerate(own.tolist()):
        if slot >= 0:
            pairs = [(one[slot, 0].double(), other[slot, 0].double()) for one, other in zip(a, b, strict=True)]
            expected[token] += 0.5 * torch.cat([out @ (inner @ x[token].double()) for inner, out in pairs])
    found = y.clone()
    wrapper.add_lora_linear(found, x, a, b, 0.5, widths)
    torch.testing.assert_close(
        found.double(), expected, rtol=1e-5 if dtype == torch.float32 else 2e-2, atol=1e-5 if dtype == torch.float32 else 6e-2
    )
    assert torch.equal(found[own < 0], y[own < 0])
