import pytest
import torch

from anatomy.errors import DataError
from anatomy.models.activations.batching import batches

LISTS = [[7] * n for n in (3, 9, 1, 4, 4, 12, 2)]


@pytest.mark.parametrize("budget", [1, 8, 20, 1000])
def test_every_prompt_once_within_budget(budget):
    made = list(batches(LISTS, budget, 0, "cpu"))
    assert sorted(row for batch in made for row in batch.rows) == list(range(len(LISTS)))
    for batch in made:
        assert batch.input_ids.numel() <= budget or len(batch.rows) == 1
        for row, ids, mask in zip(batch.rows, batch.input_ids, batch.attention_mask, strict=True):
            assert ids[mask.bool()].tolist() == LISTS[row]


@pytest.mark.parametrize("side", ["left", "right"])
def test_columns_and_positions_follow_each_rows_own_tokens(side):
    lists = [[1, 2, 3, 4], [5, 6]]
    (batch,) = batches(lists, 100, 0, "cpu", side)
    at = batch.input_ids.gather(1, batch.columns([-2, -1]))
    assert at.tolist() == [[3, 4], [5, 6]]
    for positions, mask in zip(batch.position_ids, batch.attention_mask, strict=True):
        assert positions[mask.bool()].tolist() == list(range(int(mask.sum())))


def test_longest_first_and_repeated():
    made = list(batches(LISTS, 24, 0, "cpu"))
    assert made[0].rows == (5, 1)
    twice = made[0].repeated(2)
    assert twice.rows == (5, 1, 5, 1)
    assert torch.equal(twice.input_ids[:2], twice.input_ids[2:])


def test_a_fill_keeps_shorter_prompts_out_of_a_batch():
    made = list(batches(LISTS, 1000, 0, "cpu", fill=0.7))
    assert [batch.rows for batch in made] == [(5, 1), (3, 4, 0), (6,), (2,)]


def test_empty_prompt_is_refused():
    with pytest.raises(DataError, match="prompt 1"):
        list(batches([[1], []], 8, 0, "cpu"))
