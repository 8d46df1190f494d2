import pytest
import torch

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.directions.beside_signature import spread
from anatomy.interventions.directions.signature import contrast, cosines, equal_variance, orthogonal_directions

LAYERS, WIDTH, TOKENS = 3, 12, 500


@pytest.fixture(scope="module")
def activations():
    """Tokens of each layer with an uneven covariance and a mean; float64 [layer, token, d_model]."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(LAYERS, TOKENS, WIDTH, generator=generator, dtype=torch.float64)
    return drawn * torch.linspace(0.2, 3.0, WIDTH, dtype=torch.float64) + 1.0


@pytest.fixture(scope="module")
def found(activations):
    signature = torch.randn(LAYERS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean = activations.mean(1)
    sketch = torch.randn(5, TOKENS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    draws = torch.einsum("kt,ltd->kld", sketch, activations - mean[:, None])
    randoms = orthogonal_directions(signature[None], 4, seed=7)[:, 0]

    def moments(vectors):
        along = torch.einsum("ltd,lvd->ltv", activations, vectors)
        return along.transpose(1, 2) @ along / TOKENS

    everything = torch.eye(WIDTH, dtype=torch.float64)[:, None].expand(-1, LAYERS, -1)
    few = [spread(signature, mean, draws, randoms[:count], moments) for count in (2, 4)]
    return signature, spread(signature, mean, torch.cat([draws, everything]), randoms, moments), few


def removed(activations, vectors):
    return torch.einsum("ltd,ld->lt", activations, vectors).square().mean(1)


def test_random_directions_are_orthogonal_and_do_not_move_with_their_number():
    signature = torch.randn(2, LAYERS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    few, many = (orthogonal_directions(signature, count, seed=7) for count in (2, 5))
    torch.testing.assert_close(few, many[:2])
    assert cosines(many, signature).abs().max() < 1e-12
    torch.testing.assert_close(many.norm(dim=-1), torch.ones(5, 2, LAYERS, dtype=torch.float64))


def test_equal_variance_directions_remove_what_the_signature_removes(activations, found):
    signature, beside, _ = found
    unit = signature / signature.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(beside.energy, removed(activations, unit))
    for vectors, share in zip(beside.equal, beside.equal_share, strict=True):
        assert cosines(vectors, signature).abs().max() < 1e-9
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(LAYERS, dtype=torch.float64))
        torch.testing.assert_close(removed(activations, vectors) / beside.energy, share)
        torch.testing.assert_close(share, torch.ones_like(share), rtol=1e-2, atol=1e-2)


def test_top_component_is_that_of_the_covariance_when_the_span_is_everything(activations, found):
    _, beside, _ = found
    for layer in range(LAYERS):
        _, vectors = torch.linalg.eigh(torch.cov(activations[layer].T))
        assert abs((vectors[:, -1] @ beside.principal[layer]).item()) > 0.999


def test_more_controls_change_neither_the_first_ones_nor_the_top_component(activations, found):
    signature, _, (two, four) = found
    torch.testing.assert_close(two.equal, four.equal[:2])
    torch.testing.assert_close(two.equal_share, four.equal_share[:2])
    torch.testing.assert_close(two.principal, four.principal)
    assert cosines(four.equal, signature).abs().max() < 1e-9
    torch.testing.assert_close(removed(activations, four.equal[3]) / four.energy, four.equal_share[3])


def test_no_vector_of_the_plane_removes_more_than_there_is():
    first, second = torch.eye(2, dtype=torch.float64)
    found, share = equal_variance(10.0, first, second, torch.diag(torch.tensor([1.0, 4.0], dtype=torch.float64)))
    assert share == pytest.approx(0.4, abs=1e-6)
    assert abs(found[1].item()) == pytest.approx(1.0, abs=1e-3)


def test_contrast_is_the_difference_and_refuses_unlike_models():
    aligned, base = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    base[:, 0] = aligned[:, 0]
    directions = contrast(aligned, base, "pair")
    torch.testing.assert_close(directions.vectors, (aligned - base).float())
    assert not directions.vectors[:, 0].any()
    with pytest.raises(DataError):
        contrast(aligned, base[:, :2], "pair")
    with pytest.raises(NumericsError):
        contrast(aligned, aligned, "pair")


def test_a_direction_that_is_not_there_has_no_angle():
    assert torch.isnan(cosines(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)))
