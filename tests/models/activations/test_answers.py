import pytest
import torch

from anatomy.errors import DataError
from anatomy.models.activations.answer_writes import mean_answer_writes
from anatomy.models.activations.answers import ALL, FIRST, POSITIONS, Forced, answer_sums, span_moments
from anatomy.models.activations.hooks import reading

LENGTHS = (3, 1, 5, 2)


@pytest.fixture(scope="module")
def texts(tiny, token_ids):
    """Prompts with answers of unequal length: the ids that open the next prompt."""
    return [Forced(token_ids[row], token_ids[row + 1][2 : 2 + length]) for row, length in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def reference(tiny, texts):
    """Activations [position, layer, d_model] of each text alone, at every position that predicts a token of its answer."""
    rows = []
    for text in texts:
        seen = {}
        with torch.no_grad(), reading(tiny.model, range(5), lambda layer, x, seen=seen: seen.__setitem__(layer, x)):
            tiny.model(torch.tensor([[*text.prompt, *text.answer]]))
        start = len(text.prompt) - 1
        rows.append(torch.stack([seen[layer][0, start : start + len(text.answer)] for layer in range(5)], 1).double())
    return rows


def ones(count, columns=1):
    return torch.ones(count, columns, dtype=torch.float64)


@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_means_are_token_weighted_and_need_no_answer_beyond_what_predicts(tiny, texts, reference, budget):
    sums = answer_sums(tiny, texts, ones(len(texts)), token_budget=budget)
    mean = sums.mean()
    assert mean.dtype == torch.float64
    torch.testing.assert_close(mean[POSITIONS.index(ALL)], torch.cat(reference).mean(0), rtol=0, atol=1e-5)
    first = torch.stack([rows[0] for rows in reference]).mean(0)
    torch.testing.assert_close(mean[POSITIONS.index(FIRST)], first, rtol=0, atol=1e-5)
    assert sums.tokens[0].tolist() == [len(texts), sum(LENGTHS)]


def test_parts_add_up_to_the_whole(tiny, texts):
    half = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    sums = answer_sums(tiny, texts, half, token_budget=200)
    torch.testing.assert_close(sums.total[0], sums.total[1] + sums.total[2])
    torch.testing.assert_close(sums.tokens[0], sums.tokens[1] + sums.tokens[2])


def test_a_part_without_texts_has_no_mean(tiny, texts):
    sums = answer_sums(tiny, texts, torch.zeros(len(texts), 1), token_budget=200)
    with pytest.raises(DataError, match="no tokens"):
        sums.mean()


def test_sketch_does_not_depend_on_batches_and_has_the_covariance(tiny, texts, reference):
    small, large = (answer_sums(tiny, texts, ones(len(texts)), token_budget=budget, draws=400, seed=3) for budget in (1, 10_000))
    torch.testing.assert_close(small.sketch, large.sketch, rtol=0, atol=1e-4)
    every = torch.cat(reference)[:, 2]
    covariance = (every - every.mean(0)).T @ (every - every.mean(0))
    drawn = large.centred_sketch()[:, 2]
    # 400 draws: the trace is estimated to a few per cent.
    assert (drawn.square().sum() / 400 / covariance.trace() - 1).abs() < 0.15


def test_moments_within_a_span(tiny, texts, reference):
    vectors = torch.randn(5, 3, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = span_moments(tiny, texts, vectors, token_budget=60)
    every = torch.cat(reference)
    along = torch.einsum("tld,lvd->ltv", every, vectors)
    torch.testing.assert_close(found, along.transpose(1, 2) @ along / len(every), rtol=1e-5, atol=1e-4)


def test_writes_and_embedding_add_up_to_the_stream(tiny, texts, reference):
    writes = mean_answer_writes(tiny, texts, token_budget=60)
    assert sorted({(write.site, write.head) for write in writes}) == [("down_proj", -1), ("o_proj", 0), ("o_proj", 1)]
    mean = torch.cat(reference).mean(0)
    for layer in range(1, 5):
        below = sum(write.vector for write in writes if write.layer < layer)
        torch.testing.assert_close(mean[0] + below, mean[layer], rtol=0, atol=1e-4)


def test_an_empty_answer_is_named(tiny, texts):
    with pytest.raises(DataError, match="text mine"):
        answer_sums(tiny, [Forced([1, 2], [])], ones(1), token_budget=60, ids=["mine"])
