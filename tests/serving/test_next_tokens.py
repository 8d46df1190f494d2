"""The next token: the nucleus it is drawn from, and that a seed draws the same one however that was found."""

import pytest
import torch

from anatomy.errors import NumericsError
from anatomy.serving.decoding import Decoding
from anatomy.serving.next_tokens import next_tokens


def test_nucleus_keeps_the_likeliest_and_follows_the_probabilities():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    rows = probabilities.log()[None].repeat(4000, 1)
    generators = [torch.Generator().manual_seed(seed) for seed in range(4000)]
    counts = next_tokens(rows, Decoding(1, 1.0, 0.75), generators).bincount(minlength=4) / 4000
    # 0.5 + 0.3 reach 0.75; renormalised .625 and .375, four standard errors of 4000 draws are .031.
    assert counts.tolist() == pytest.approx([0.625, 0.375, 0.0, 0.0], abs=0.031)
    narrow = next_tokens(rows[:50], Decoding(1, 1.0, 0.01), generators[:50])
    assert narrow.eq(0).all()


def test_a_nucleus_of_a_large_vocabulary_is_the_same_however_many_tokens_are_put_in_order(monkeypatch):
    """Flat rows have thousands of tokens in their nucleus, steep ones a handful; each seed draws the same token of either."""
    logits = torch.randn(40, 5000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 6, 40)[:, None]
    found = {}
    for likeliest in (8, 1024, 5000):
        monkeypatch.setattr("anatomy.serving.next_tokens.LIKELIEST", likeliest)
        generators = [torch.Generator().manual_seed(seed) for seed in range(40)]
        found[likeliest] = torch.stack([next_tokens(logits, Decoding(1, 1.0, top_p), generators) for top_p in (0.5, 0.95, 1.0)])
    assert torch.equal(found[8], found[1024]) and torch.equal(found[1024], found[5000])
    assert len(found[8].unique()) > 40


def test_logits_that_are_not_finite_are_named_and_refused():
    logits = torch.zeros(3, 5)
    logits[1, 2] = float("nan")
    with pytest.raises(NumericsError, match="prompt 1"):
        next_tokens(logits, Decoding(1, 0.0), [None] * 3)
