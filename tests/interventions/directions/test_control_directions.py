import pytest
import torch

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.controls import isotropic, relabelling_weights, shuffled_label
from anatomy.interventions.directions.covariance_draws import covariance_draws, gaussian_weights
from anatomy.models.activations.means import Moments, mean_activations


def test_isotropic_is_unit_seeded_and_spread_out():
    assert torch.equal(isotropic(32, 1), isotropic(32, 1))
    drawn = torch.stack([isotropic(32, seed) for seed in range(400)])
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(400))
    # Each coordinate's square averages 1/32; its standard error over 400 draws is about .0021.
    assert (drawn.square().mean(0) - 1 / 32).abs().max() < 0.01


def test_covariance_draws_follow_the_covariance_within_the_sets(tiny, harmful, harmless):
    sides = (harmful, harmless)
    weights = gaussian_weights(len(harmful), len(harmless), list(range(3000)))
    both = [mean_activations(tiny, prompts, [-1], token_budget=80, weights=w) for prompts, w in zip(sides, weights, strict=True)]
    drawn = torch.stack([one.vectors[0, 2] for one in covariance_draws(*both, *weights, slice(None))]).double()
    read = [[], []]
    for side, prompts in enumerate(sides):
        for prompt in prompts:
            read[side].append(mean_activations(tiny, [prompt], [-1], token_budget=80).mean[0, 2])
    centred = torch.cat([torch.stack(rows) - torch.stack(rows).mean(0) for rows in read])
    expected = centred.T @ centred / len(centred)
    # The relative error of a covariance estimated from 3000 draws.
    assert (drawn.T @ drawn / 3000 - expected).norm() < 0.15 * expected.norm()


def test_covariance_draws_leave_the_contrast_out(tiny, harmful, harmless):
    """A constant difference between the sets adds nothing to any draw."""
    weights = gaussian_weights(len(harmful), len(harmless), [1, 2])
    one, two = (
        mean_activations(tiny, prompts, [-1], token_budget=80, weights=w)
        for prompts, w in zip((harmful, harmless), weights, strict=True)
    )
    moved = torch.full_like(one.mean, 3.0)
    shifted = Moments(
        one.positions,
        one.layers,
        one.count,
        one.mean + moved,
        one.variance,
        one.weighted + weights[0].sum(0)[:, None, None, None] * moved,
    )
    for plain, other in zip(
        covariance_draws(one, two, *weights, slice(None)), covariance_draws(shifted, two, *weights, slice(None)), strict=True
    ):
        torch.testing.assert_close(plain.vectors, other.vectors, rtol=0, atol=1e-4)


def test_weights_are_a_difference_of_two_means():
    for balanced in (True, False):
        both = torch.cat(relabelling_weights(40, 60, range(20), balanced))
        torch.testing.assert_close(both.clamp(min=0).sum(0), torch.ones(20).double())
        torch.testing.assert_close(both.clamp(max=0).sum(0), -torch.ones(20).double())
        assert len(set(map(tuple, both.T.tolist()))) == 20


def test_balanced_relabelling_cancels_the_contrast_and_a_plain_one_does_not():
    harmful, harmless = relabelling_weights(50, 50, range(20), True)
    # What is left of a contrast that is 1 on harmful and 0 on harmless prompts.
    torch.testing.assert_close(harmful.sum(0), torch.zeros(20).double())
    plain, _ = relabelling_weights(50, 50, range(20), False)
    assert plain.sum(0).abs().max() > 0.05
    assert harmless.shape == (50, 20)


def test_shuffled_label_equals_the_difference_of_relabelled_sets(tiny, harmful, harmless):
    weights = relabelling_weights(len(harmful), len(harmless), [3, 4], False)
    both = [
        mean_activations(tiny, prompts, [-1], token_budget=80, weights=w)
        for prompts, w in zip((harmful, harmless), weights, strict=True)
    ]
    found = shuffled_label(*both)
    assert len(found) == 2
    called = torch.cat(weights)[:, 1] > 0
    prompts = [*harmful, *harmless]
    sets = [[p for p, c in zip(prompts, called, strict=True) if c == flag] for flag in (True, False)]
    expected = difference_in_means(*(mean_activations(tiny, s, [-1], token_budget=80) for s in sets))
    torch.testing.assert_close(found[1].vectors, expected.vectors, rtol=0, atol=1e-5)


def test_moments_without_weights_are_refused(tiny, harmful):
    moments = mean_activations(tiny, harmful, [-1], token_budget=100)
    with pytest.raises(DataError, match="no weighted sums"):
        shuffled_label(moments, moments)
