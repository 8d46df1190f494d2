"""Angles, stability, kinds and shifts where the answer is known beforehand."""

import numpy as np
import pytest
import torch

from anatomy.interventions.instruments.geometry import (
    bootstrapped_cosines,
    cosine_table,
    effective_rank,
    first_share,
    kind_directions,
    own_beyond_others,
    principal_angles,
)
from anatomy.interventions.instruments.probes import logistic, logistic_weights
from anatomy.interventions.instruments.template_shift import shift_ranks, shift_table, shifts

WIDTH = 32


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_cosines_of_known_angles_and_of_what_is_not_there():
    one = torch.eye(WIDTH, dtype=torch.float64)[:3]
    two = torch.stack([one[0], one[0] + one[1], torch.zeros(WIDTH, dtype=torch.float64)])
    table = cosine_table({"one": one, "two": two}).set_index("layer")["cosine"]
    assert table[0] == pytest.approx(1) and table[1] == pytest.approx(2**-0.5) and np.isnan(table[2])


def test_principal_angles_do_not_depend_on_the_basis_and_count_shared_dimensions():
    axes = torch.linalg.qr(drawn(WIDTH, WIDTH))[0].T
    tilted = torch.stack([axes[0], np.cos(0.5) * axes[1] + np.sin(0.5) * axes[5]])
    mixed = drawn(2, 2, seed=1) @ axes[:2]
    assert principal_angles(mixed, tilted).tolist() == pytest.approx([0.0, np.rad2deg(0.5)], abs=1e-5)
    repeated = torch.cat([mixed, mixed[:1]])  # a row that adds no dimension
    assert principal_angles(repeated, tilted).tolist() == pytest.approx([0.0, np.rad2deg(0.5)], abs=1e-5)
    assert len(principal_angles(mixed[:1], tilted)) == 1


def test_a_clear_direction_stays_under_the_bootstrap_and_noise_does_not():
    groups = ([f"a{n // 3}" for n in range(60)], [f"b{n // 3}" for n in range(60)])
    high, low = drawn(2, 60, WIDTH), drawn(2, 60, WIDTH, seed=1)
    high[1, :, 0] += 20
    cosines = bootstrapped_cosines(high, low, groups, 100, seed=0)
    assert cosines.shape == (100, 2) and cosines[:, 1].min() > 0.98 and cosines[:, 0].median() < 0.9
    same = bootstrapped_cosines(low, low + 1e-9, groups, 10, seed=0)
    assert torch.isnan(same).all()


def test_whole_groups_are_drawn():
    """Two groups a side of one vector each: a draw has one of the four mixtures' weights, and never one prompt alone."""
    vectors = torch.eye(4, dtype=torch.float64)
    high, low = vectors[[0] * 5 + [1] * 5][None], vectors[[2] * 5 + [3] * 5][None]
    cosines = bootstrapped_cosines(high, low, (["a"] * 5 + ["b"] * 5, ["c"] * 5 + ["d"] * 5), 200, seed=0)
    assert len({round(value, 9) for value in cosines[:, 0].tolist()}) <= 3  # both sides mixed, one, none


def test_a_group_of_both_sides_is_drawn_as_one():
    """Requests beside their counterparts: what a pair has in common is in both means, and no draw turns the difference."""
    common = 5 * drawn(1, 20, WIDTH)
    high, low, names = common + torch.eye(WIDTH, dtype=torch.float64)[0], common, [f"g{n}" for n in range(20)]
    together = bootstrapped_cosines(high, low, (names, names), 50, seed=0)
    apart = bootstrapped_cosines(high, low, (names, [f"other {name}" for name in names]), 50, seed=0)
    assert together.min() > 1 - 1e-9 and apart.median() < 0.5


def kinds_planted(apart):
    """Three kinds of thirty prompts; each has an axis of its own besides the one that all share."""
    kinds = [f"k{n % 3}" for n in range(90)]
    x = 0.3 * drawn(90, WIDTH)
    x[:, 0] += 5
    for row, kind in enumerate(kinds):
        x[row, 1 + int(kind[1])] += apart
    return x, kinds, 0.3 * drawn(90, WIDTH, seed=1)


def test_kinds_are_told_apart_only_where_they_differ():
    for apart, expected in ((5.0, True), (0.0, False)):
        x, kinds, low = kinds_planted(apart)
        learnt = kind_directions(x[:45], kinds[:45], low)
        value = own_beyond_others(x[45:], kinds[45:], low.mean(0), learnt)
        assert (value.mean() > 0.3) == expected and (abs(value.mean()) < 0.02) == (not expected)
        assert (first_share(learnt) > 0.99) == (not expected)
    assert np.isnan(own_beyond_others(x[:2], ["k0", "other"], low.mean(0), learnt)).tolist() == [False, True]


def test_one_kind_has_nothing_to_be_told_from():
    x, _, low = kinds_planted(0.0)
    learnt = kind_directions(x, ["k"] * 90, low)
    assert np.isnan(own_beyond_others(x, ["k"] * 90, low.mean(0), learnt)).all()


@pytest.mark.parametrize("rank", [1, 4])
def test_effective_rank_counts_equal_dimensions(rank):
    rows = torch.eye(WIDTH, dtype=torch.float64)[:rank].repeat(6, 1)
    assert effective_rank(rows) == pytest.approx(rank)


def planted_streams(template, alignment):
    """Post-training adds ``alignment`` under the template alone; the template adds ``template`` in both models."""
    plain = drawn(2, 10, WIDTH)
    return {
        ("aligned", "template"): plain + template + alignment,
        ("aligned", "plain"): plain,
        ("base", "template"): plain + template,
        ("base", "plain"): plain,
    }


def test_the_templates_share_is_taken_out():
    template, alignment = 9 * torch.eye(WIDTH)[0].double(), 2 * torch.eye(WIDTH)[1].double()
    streams = planted_streams(template, alignment)
    found = shifts(streams)
    for name, wanted in {
        "naive": template + alignment,
        "within": template + alignment,
        "template": alignment,
        "difference": alignment,
    }.items():
        assert torch.allclose(found[name], wanted.expand_as(found[name]), atol=1e-12)
    table = shift_table(streams, alignment.expand(2, WIDTH), [str(n) for n in range(10)]).groupby("variant")["cosine"].mean()
    assert table["difference"] == pytest.approx(1) and table["naive"] == pytest.approx(2 / 85**0.5)
    assert shift_ranks(streams).set_index(["variant", "layer"])["rank"].to_numpy() == pytest.approx(1)


def test_weights_of_the_probe_are_what_its_score_is_made_of():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(80, 6)) * [1, 5, 0.1, 1, 1, 1], np.arange(80) % 2 == 0
    x[y, 1] += 7
    weights = logistic_weights(x, y)
    held = generator.normal(size=(4, 6))
    scores = logistic(x, y, held)
    assert scores - scores[0] == pytest.approx((held - held[0]) @ weights)
