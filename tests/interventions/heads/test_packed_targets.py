"""Targets come off the disk as they went on, at four bytes a kept token whatever the vocabulary."""

import pytest
import torch

from anatomy.interventions.heads.packed_targets import TOLD_APART, packed, stored_bytes, unpacked
from anatomy.interventions.heads.targets import Targets, keep


def targets_of(vocabulary, each, tokens=600):
    generator = torch.Generator().manual_seed(0)
    common = torch.randperm(vocabulary, generator=generator)[: max(each, vocabulary // 20)]
    ids = torch.stack([common[torch.randperm(len(common), generator=generator)[:each]] for _ in range(tokens)])
    small = torch.int16 if vocabulary <= 2**15 - 1 else torch.int32
    starts = torch.arange(tokens + 1) * each
    mass = torch.rand(tokens * each, generator=generator).log().half()
    return Targets(starts, ids.flatten().to(small), mass, torch.rand(tokens, generator=generator))


@pytest.mark.parametrize(("vocabulary", "each"), [(300, 44), (151_936, 40), (262_144, 1)])
def test_targets_come_back_bit_for_bit(vocabulary, each):
    targets = targets_of(vocabulary, each)
    found = unpacked(packed(targets))
    for field in vars(targets):
        one, other = getattr(targets, field), getattr(found, field)
        assert one.dtype == other.dtype and torch.equal(one, other)


def test_a_shard_that_keeps_more_tokens_than_two_bytes_name_keeps_their_ids(monkeypatch):
    wide = Targets(
        torch.tensor([0, TOLD_APART + 1]), torch.arange(TOLD_APART + 1).int(), torch.zeros(TOLD_APART + 1).half(), torch.zeros(1)
    )
    assert "known" not in packed(wide) and torch.equal(unpacked(packed(wide)).tokens, wide.tokens)


def test_a_vocabulary_of_150_thousand_takes_no_more_than_200_bytes_a_token():
    assert stored_bytes(packed(targets_of(151_936, 40, tokens=8000))) / 8000 <= 180


def test_an_empty_shard_is_one():
    none = keep(torch.zeros(0, 10), 3, 0.9)
    assert len(unpacked(packed(none))) == 0
