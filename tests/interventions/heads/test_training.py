"""Heads are trained to a planted residual, stop in time, and go on from a kill with equal bits."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.heads.head_model import FullHead, LowRankHead
from anatomy.interventions.heads.targets import keep, shuffled
from anatomy.interventions.heads.training import Schedule, held_out, token_divergence, train_head

TOKENS, WIDTH, VOCABULARY = 1200, 12, 30
SCHEDULE = Schedule(learning_rate=0.03, epochs=60, batch_tokens=200, patience=60, seed=0, checkpoint_epochs=1)


def planted(rank=2):
    """Features, a base's head, and targets that a residual of this rank on it explains exactly."""
    generator = torch.Generator().manual_seed(5)
    x, start = torch.randn(TOKENS, WIDTH, generator=generator), torch.randn(VOCABULARY, WIDTH, generator=generator)
    delta = torch.randn(VOCABULARY, rank, generator=generator) @ torch.randn(rank, WIDTH, generator=generator)
    validation = held_out(torch.full((120,), 10), 0.05, generator)
    return x, start, keep(x @ (start + delta).T, VOCABULARY, 1.0), validation


def low_rank(start, rank):
    return LowRankHead.of(start, rank, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("make", [FullHead.of, lambda start: low_rank(start, 2)])
def test_a_planted_residual_is_found(make):
    x, start, targets, validation = planted()
    head = make(start)
    trained = train_head(head, x, targets, validation, SCHEDULE, print)
    assert trained.best < 0.05 * trained.before
    assert float(token_divergence(head, x, targets, validation.nonzero()[:, 0]).mean()) == pytest.approx(trained.best, rel=1e-4)


def test_a_rank_too_small_does_not_explain_it_and_neither_do_shuffled_targets():
    x, start, targets, validation = planted(rank=4)
    reached = {rank: train_head(low_rank(start, rank), x, targets, validation, SCHEDULE, print).best for rank in (1, 2, 4)}
    assert reached[4] < 0.2 * reached[2] < 0.2 * reached[1]
    wrong = shuffled(targets, torch.randperm(TOKENS, generator=torch.Generator().manual_seed(0)))
    head = FullHead.of(start)
    train_head(head, x, wrong, validation, SCHEDULE, print)
    assert float(token_divergence(head, x, targets, torch.arange(TOKENS)).mean()) > 5 * reached[4]


def test_an_offset_stands_for_logits_that_the_head_does_not_make():
    x, start, targets, validation = planted()
    whole = train_head(FullHead.of(start), x, targets, validation, SCHEDULE, print)
    beside = train_head(
        FullHead.of(torch.zeros_like(start)), x, targets, validation, SCHEDULE, print, offset=lambda rows: x[rows] @ start.T
    )
    assert beside.before == pytest.approx(whole.before, rel=1e-4) and beside.best == pytest.approx(whole.best, rel=0.05)


def test_training_stops_early_and_keeps_the_best_head():
    x, start, _, validation = planted()
    noise = keep(3 * torch.randn(TOKENS, VOCABULARY, generator=torch.Generator().manual_seed(9)), VOCABULARY, 1.0)
    schedule = Schedule(0.05, 200, 50, 3, 0)
    head = FullHead.of(start)
    trained = train_head(head, x, noise, validation, schedule, print)
    assert trained.outcome == "early stop" and len(trained.history) == trained.epoch + 3
    assert trained.best == min(epoch["held_out"] for epoch in trained.history)
    assert float(token_divergence(head, x, noise, validation.nonzero()[:, 0]).mean()) == pytest.approx(trained.best, rel=1e-4)


def test_a_diverging_training_keeps_the_last_good_head_and_says_so():
    x, start, targets, validation = planted()
    said = []
    with pytest.raises(NumericsError, match="grew from the first epoch on"):
        train_head(FullHead.of(start), x, targets, validation, Schedule(50.0, 5, 50, 5, 0), said.append)
    assert "diverged in epoch 1" in said[0]
    spoilt = x.clone()
    head, said = FullHead.of(start), []
    good = train_head(head, x, targets, validation, Schedule(0.01, 3, 200, 5, 0), said.append)
    kept = head.matrix.clone()
    spoilt[int((~validation).nonzero()[0])] = float("nan")
    with pytest.raises(NumericsError):
        train_head(head, spoilt, targets, validation, Schedule(0.01, 3, 200, 5, 0), said.append)
    assert torch.equal(head.matrix, kept) and good.epoch == 3


class Spoilt:
    """Features that are right for the first so many rows that are read, and then a thousand times too large."""

    def __init__(self, x, rows):
        self.x, self.left = x, rows

    def __getitem__(self, rows):
        self.left -= len(rows)
        return self.x[rows] * (1 if self.left >= 0 else 1000)


@pytest.mark.parametrize("epochs", [3, 7])
def test_a_divergence_after_progress_keeps_the_best_head_and_a_checkpoint_to_go_on_from(tmp_path, epochs):
    x, start, targets, validation = planted()
    said, head, checkpoint = [], FullHead.of(start), tmp_path / "state"
    # Held-out tokens are read once before training, and all tokens in each epoch.
    spoilt = Spoilt(x, int(validation.sum()) + epochs * TOKENS)
    trained = train_head(head, spoilt, targets, validation, SCHEDULE, said.append, checkpoint=checkpoint)
    assert trained.outcome == "diverged" and trained.epoch == len(trained.history) == epochs
    assert f"diverged in epoch {epochs + 1}" in said[0] and f"the head of epoch {epochs} is kept" in said[0]
    clean = FullHead.of(start)
    train_head(clean, x, targets, validation, replace(SCHEDULE, epochs=epochs), print)
    assert torch.equal(head.matrix, clean.matrix) and trained.best < trained.before
    again, whole = FullHead.of(start), FullHead.of(start)
    said.clear()
    train_head(again, x, targets, validation, SCHEDULE, said.append, checkpoint=checkpoint)
    train_head(whole, x, targets, validation, SCHEDULE, print)
    assert said == [f"goes on after epoch {epochs}"] and torch.equal(again.matrix, whole.matrix)


def test_whole_answers_are_held_out_and_too_few_are_told():
    lengths = torch.tensor([10, 1, 30, 9, 50])
    chosen = held_out(lengths, 0.05, torch.Generator().manual_seed(0))
    parts = chosen.split(lengths.tolist())
    assert all(part.all() or not part.any() for part in parts) and 0 < int(chosen.sum()) < 100
    assert int(held_out(torch.ones(200, dtype=torch.long), 0.05, torch.Generator()).sum()) == 10
    for few in ([], [7]):
        with pytest.raises(DataError, match="after filtering"):
            held_out(torch.tensor(few, dtype=torch.long), 0.05, torch.Generator())


def run_to_the_end(checkpoint, out):
    """What the killed process runs; also by hand: python test_training.py CHECKPOINT OUT."""
    torch.set_num_threads(1)
    x, start, targets, validation = planted()
    head = low_rank(start, 2) if "low" in str(checkpoint) else FullHead.of(start)
    said = []
    train_head(head, x, targets, validation, SCHEDULE, said.append, checkpoint=Path(checkpoint), key={"data": "planted"})
    torch.save({name: one for name, one in head.parameters.items()}, out)
    return said


@pytest.mark.parametrize("kind", ["full", "low"])
def test_a_killed_training_goes_on_with_equal_bits(tmp_path, kind):
    whole, cut, out = tmp_path / f"{kind}.whole", tmp_path / f"{kind}.cut", tmp_path / "out.pt"
    run_to_the_end(whole, tmp_path / "whole.pt")
    process = subprocess.Popen([sys.executable, __file__, str(cut), str(out)], env=os.environ)
    while not cut.exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    said = run_to_the_end(cut, out)
    assert said and said[0].startswith("goes on after epoch ")
    first, second = torch.load(tmp_path / "whole.pt"), torch.load(out)
    assert first and all(torch.equal(first[name], second[name]) for name in first)


def test_a_state_under_another_key_is_not_gone_on_from(tmp_path):
    x, start, targets, validation = planted()
    said = []
    for key in ({"data": 1}, {"data": 2}):
        short = Schedule(0.01, 2, 200, 5, 0, 1)
        train_head(FullHead.of(start), x, targets, validation, short, said.append, checkpoint=tmp_path / "state", key=key)
    assert not said


if __name__ == "__main__":
    run_to_the_end(*sys.argv[1:])
