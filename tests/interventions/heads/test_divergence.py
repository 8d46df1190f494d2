"""Compact targets and the divergence from them: against the whole distributions, and the gradient against autograd."""

import pytest
import torch

from anatomy.errors import ConfigError
from anatomy.interventions.heads.divergence import coarse_divergence, divergence_and_gradient, full_divergence
from anatomy.interventions.heads.targets import joined, keep, shuffled

ROWS, VOCABULARY = 40, 60


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(3)
    return tuple(3 * torch.randn(ROWS, VOCABULARY, generator=generator) for _ in range(2))


def every(targets):
    return targets.padded(torch.arange(len(targets)))


def test_with_every_token_kept_it_is_the_whole_divergence(logits):
    aligned, base = logits
    found = coarse_divergence(base, every(keep(aligned, VOCABULARY, 1.0)))
    assert torch.allclose(found, full_divergence(aligned, base), atol=5e-3)  # log-probabilities are stored in float16


def test_what_is_not_kept_only_takes_from_it_and_less_with_more_tokens(logits):
    aligned, base = logits
    whole = full_divergence(aligned, base)
    found = [coarse_divergence(base, every(keep(aligned, k, 1.0))) for k in (1, 4, 16, 48)]
    assert all((one <= whole + 5e-3).all() for one in found)
    missing = [float((whole - one).mean()) for one in found]
    assert missing == sorted(missing, reverse=True) and missing[0] > 0.1


@pytest.mark.parametrize(("k", "mass"), [(5, 1.0), (60, 0.9), (60, 1.0), (1, 1.0)])
def test_the_gradient_is_that_of_autograd(logits, k, mass):
    aligned, base = logits
    kept = every(keep(aligned, k, mass))
    ids, p, rest_mass = kept
    leaf = base.clone().requires_grad_(True)
    log_q = leaf.log_softmax(1)
    others = torch.ones_like(base, dtype=torch.bool).scatter(1, ids.clamp(min=0), False)
    for row in range(ROWS):  # padding repeats id 0, which may be none of the row's own
        if 0 not in ids[row].tolist():
            others[row, 0] = True
    rest = torch.where(others, log_q.exp(), 0.0).sum(1)
    loss = torch.where(p > 0, p * (p.clamp(min=1e-12).log() - log_q.gather(1, ids.clamp(min=0))), 0.0).sum()
    loss = loss + torch.where(rest_mass > 1e-12, rest_mass * (rest_mass.clamp(min=1e-12).log() - rest.log()), 0.0).sum()
    loss.backward()
    found, gradient = divergence_and_gradient(base.clone(), kept)
    assert torch.allclose(found.sum(), loss.detach(), rtol=1e-4) and torch.allclose(gradient, leaf.grad, atol=1e-5)


def test_a_share_of_the_mass_keeps_fewer_tokens_and_says_what_is_left(logits):
    targets = keep(logits[0], VOCABULARY, 0.9)
    kept = targets.starts[1:] - targets.starts[:-1]
    assert (targets.rest <= 0.1 + 1e-6).all() and kept.min() >= 1 and kept.float().mean() < 30
    chances = logits[0].softmax(1)
    exactly = chances.sort(1, descending=True).values.cumsum(1)
    assert all(count == 1 or exactly[row, count - 2] < 0.9 for row, count in enumerate(kept.tolist()))
    ids, mass, rest = every(targets)
    assert torch.allclose(mass.sum(1) + rest, torch.ones(ROWS), atol=1e-6) and (mass[ids < 0] == 0).all()


@pytest.mark.parametrize("k", [0, VOCABULARY + 1])
def test_more_tokens_than_there_are_cannot_be_kept(logits, k):
    with pytest.raises(ConfigError, match=f"k = {k}"):
        keep(logits[0], k, 1.0)


def test_shards_are_joined_and_targets_change_places_whole(logits):
    whole = keep(logits[0], 20, 0.95)
    parts = joined([keep(logits[0][:7], 20, 0.95), keep(logits[0][7:], 20, 0.95)])
    assert all(torch.equal(one, other) for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True))
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    moved = shuffled(whole, order)
    assert all(torch.equal(moved.padded(torch.tensor([t]))[0], whole.padded(order[[t]])[0]) for t in range(ROWS))
