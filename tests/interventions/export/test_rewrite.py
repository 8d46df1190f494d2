import pytest
import torch

from anatomy.errors import EditError
from anatomy.interventions.export.rewrite import LowRank, Replacement, Sparse, low_rank_rewrites


def in_chunks(rewrite, matrix, step):
    """New rows and change, computed ``step`` rows at a time."""
    parts = [rewrite(matrix[start : start + step], start) for start in range(0, len(matrix), step)]
    return (torch.cat(side) for side in zip(*parts, strict=True))


@pytest.fixture
def matrix():
    return torch.randn(10, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("step", [1, 3, 10])
@pytest.mark.parametrize("rank", [1, 2])
def test_low_rank_is_the_product_of_its_factors(matrix, step, rank):
    a, b = torch.randn(rank, 6), torch.randn(10, rank)
    new, change = in_chunks(LowRank(a, b), matrix, step)
    torch.testing.assert_close(change, b @ a, rtol=1e-6, atol=1e-6)
    assert torch.equal(new, matrix + change)
    # an embedding is stored the other way round
    new, _ = in_chunks(LowRank(a, b, transposed=True), matrix.T.contiguous(), step)
    torch.testing.assert_close(new, (matrix + b @ a).T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("step", [1, 4, 10])
def test_sparse_sets_its_places_exactly_and_no_others(matrix, step):
    places, values = torch.tensor([0, 5, 6, 41, 59]), torch.tensor([0.0, 1e-9, 1e9, 0.0, -1.0])
    new, change = in_chunks(Sparse((10, 6), places, values), matrix, step)
    assert torch.equal(new.view(-1)[places], values)
    elsewhere = torch.ones(60, dtype=torch.bool)
    elsewhere[places] = False
    assert torch.equal(new.view(-1)[elsewhere], matrix.view(-1)[elsewhere]) and not change.view(-1)[elsewhere].any()


def test_replacement_is_exact_also_where_adding_a_difference_would_round(matrix):
    values = torch.full((10, 6), 1e-12)
    new, _ = in_chunks(Replacement(values), matrix * 1e6, 3)
    assert torch.equal(new, values)


@pytest.mark.parametrize("places", [[3, 3], [3, 2], [-1, 2], [5, 60]])
def test_places_that_repeat_descend_or_lie_outside_are_refused(places):
    with pytest.raises(EditError, match="repeat, descend or lie outside"):
        Sparse((10, 6), torch.tensor(places), torch.zeros(2))


def test_an_edit_of_the_embedding_is_transposed():
    a, b = torch.zeros(1, 50), torch.zeros(8, 1)
    rewrites = low_rank_rewrites({"model.embed_tokens": (a, b), "model.layers.0.mlp.down_proj": (a, b)})
    assert {name: rewrite.shape for name, rewrite in rewrites.items()} == {
        "model.embed_tokens.weight": (50, 8),
        "model.layers.0.mlp.down_proj.weight": (8, 50),
    }
