"""Overlap of masks with what chance gives."""

import numpy as np
import pytest
import torch
from scipy.stats import hypergeom

from anatomy.interventions.pruning.masks import difference, random_mask
from anatomy.interventions.pruning.overlaps import _shared_by_chance, overlap

SHAPES = {"a": (200, 100), "b": (50, 40)}


def mask(fraction, seed):
    full = {name: torch.arange(int(fraction * rows * columns)) for name, (rows, columns) in SHAPES.items()}
    return random_mask(full, SHAPES, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("q", [0.05, 0.3])
def test_random_masks_overlap_as_chance_has_it(q):
    """Two random sets of a fraction q have a Jaccard index of about q / (2 - q)."""
    found = [overlap(mask(q, 2 * k), mask(q, 2 * k + 1), SHAPES) for k in range(20)]
    assert sum(one.jaccard for one in found) / 20 == pytest.approx(q / (2 - q), rel=0.08)
    assert all(one.expected == pytest.approx(q / (2 - q), rel=1e-3) for one in found)
    small = sum(one.p_value <= 0.1 for one in found)
    assert small <= 7  # about 2 of 20 under chance
    assert sum(not one.random_low <= one.jaccard <= one.random_high for one in found) <= 4  # about 1 of 20


def test_the_law_of_chance_is_that_of_drawn_masks():
    """Means, bounds and probabilities against 4000 pairs that are drawn weight by weight."""
    small = {"a": (30, 20), "b": (8, 5)}
    sizes = {"a": 60, "b": 12}
    full = {name: torch.arange(count) for name, count in sizes.items()}
    draw = torch.Generator().manual_seed(0)
    pairs = [overlap(random_mask(full, small, draw), random_mask(full, small, draw), small) for _ in range(4000)]
    drawn = torch.tensor([one.jaccard for one in pairs])
    assert float(drawn.mean()) == pytest.approx(pairs[0].expected, rel=0.05)
    for one in pairs[:8]:
        assert float((drawn >= one.jaccard - 1e-9).float().mean()) == pytest.approx(one.p_value, abs=0.03)
    assert float(((drawn >= pairs[0].random_low - 1e-9) & (drawn <= pairs[0].random_high + 1e-9)).float().mean()) >= 0.94


def test_chance_is_asked_among_the_weights_that_neither_mask_preserves():
    """Against masks that are drawn and then lose what is preserved, each its own; whole matrices would be far off."""
    small = {"a": (30, 20), "b": (8, 5)}
    draw = torch.Generator().manual_seed(0)
    full = {name: torch.arange(rows * columns // 5) for name, (rows, columns) in small.items()}
    ours, theirs = {"a": torch.arange(0, 330), "b": torch.arange(0, 16)}, {"a": torch.arange(30, 360), "b": torch.arange(20)}
    for kept in ((ours, ours), (ours, theirs)):
        found = []
        for _ in range(1500):
            one, two = (difference(random_mask(full, small, draw), [own]) for own in kept)
            found.append(overlap(one, two, small, kept))
        shared = sum(one.jaccard for one in found) / len(found)
        assert sum(one.expected for one in found) / len(found) == pytest.approx(shared, rel=0.05)
        assert sum(one.p_value <= 0.1 for one in found) / len(found) <= 0.12
        assert overlap(one, two, small).expected < 0.75 * found[-1].expected


def test_equal_masks_overlap_wholly_and_never_by_chance():
    found = overlap(mask(0.1, 0), mask(0.1, 0), SHAPES)
    assert found.jaccard == 1 and found.p_value < 1e-12, "small enough to be corrected for many pairs"
    assert found.random_high < 0.1


@pytest.mark.parametrize(("one", "two", "size"), [(5, 7, 20), (19, 18, 20), (300, 400, 2000), (587, 587, 58_720_256), (9, 0, 50)])
def test_the_law_of_one_matrix_is_hypergeometric(one, two, size):
    least, law = _shared_by_chance([(one, two, size)])
    reference = hypergeom(size, one, two).pmf(np.arange(least, least + len(law)))
    np.testing.assert_allclose(law, reference, rtol=1e-5, atol=1e-18)
    assert reference.sum() == pytest.approx(1, abs=1e-8), "nothing that matters is cut off"
