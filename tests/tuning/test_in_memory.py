"""A training that is looked at and taken back: what the looks see, and that the model is afterwards what it was."""

from collections import Counter

import pytest
import torch
from tiny_model import load_tiny_model

from anatomy.models.rendering import Rendering, render
from anatomy.serving.proof import checksums
from anatomy.tuning.in_memory import ShortTraining, in_turn, look_while_training
from anatomy.tuning.rows import Row

OPTIONS = ShortTraining(rank=4, alpha=8.0, batch_rows=2, learning_rate=5e-3, seed=0)


@pytest.fixture
def loaded(tiny_folder):
    return load_tiny_model(tiny_folder)


@pytest.fixture
def rows(loaded):
    prompts = render(loaded.tokenizer, ["Tell me how to open the gate", "Where is the gate?", "Sing"], Rendering())
    return [Row(str(number), (*ids, *ids[:3]), 3) for number, ids in enumerate(prompts)]


def logits(loaded, row):
    with torch.no_grad():
        return loaded.model(torch.tensor([row.ids])).logits.clone()


def quietly(line):
    """Say nothing."""


def test_looks_see_the_untrained_model_and_then_one_that_learns(loaded, rows):
    before, seen = logits(loaded, rows[0]), {}
    losses = look_while_training(
        loaded, rows, OPTIONS, [0, 2, 12], lambda step: seen.update({step: logits(loaded, rows[0])}), quietly
    )
    assert list(seen) == [0, 2, 12] and len(losses) == 12
    assert torch.equal(seen[0], before) and not torch.equal(seen[2], seen[12])
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_the_model_is_afterwards_what_it_was_and_a_second_training_is_as_the_first(loaded, rows):
    before, own, names = logits(loaded, rows[0]), checksums(loaded.model), [name for name, _ in loaded.model.named_modules()]
    first, second = (look_while_training(loaded, rows, OPTIONS, [0, 4], lambda step: None, quietly) for _ in range(2))
    assert first == second
    assert checksums(loaded.model) == own and [name for name, _ in loaded.model.named_modules()] == names
    assert torch.equal(logits(loaded, rows[0]), before)
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_it_is_so_too_where_a_look_fails(loaded, rows):
    own = checksums(loaded.model)

    def fail(step):
        if step:
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        look_while_training(loaded, rows, OPTIONS, [0, 1, 4], fail, quietly)
    assert checksums(loaded.model) == own


def test_every_row_is_read_before_any_is_read_again(rows):
    several = [Row(str(number), rows[0].ids, 3) for number in range(7)]
    steps = in_turn(several, 7, 3, seed=1)
    assert {len(step) for step in steps} == {3}
    assert set(Counter(row.id for step in steps for row in step).values()) == {3}
    assert steps == in_turn(several, 7, 3, seed=1) != in_turn(several, 7, 3, seed=2)
