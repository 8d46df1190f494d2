"""A training that was killed goes on, and its model has the bits of one that was never disturbed."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import pytest
import torch

from anatomy.organism.execution import Execution
from anatomy.organism.training import grow_base, grow_member
from anatomy.organism.training_state import TrainingState

STEPS = 8


@pytest.fixture(scope="module")
def short(recipe):
    return replace(
        recipe,
        pretraining=replace(recipe.pretraining, steps=STEPS, rows=4, micro_rows=2),
        post_training=replace(recipe.post_training, steps=STEPS, rows=4, micro_rows=2),
        uncensoring=replace(recipe.uncensoring, rungs=(STEPS,)),
    )


@pytest.fixture(scope="module")
def family(short, world_folder, tmp_path_factory):
    """Members grown without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    grow_base(5, short, world_folder, folder / "base")
    grow_member("aligned", 5, short, world_folder, folder / "base", folder / "aligned")
    grow_member("uncensored-1", 5, short, world_folder, folder / "aligned", folder / "uncensored-1")
    return folder


def state_of(folder, **options):
    return TrainingState(folder / "training", {"training": "of this test"}, **{"seconds": 0.0, **options})


def grow(member, short, world, family, out, state):
    torch.set_num_threads(1)
    if member == "base":
        grow_base(5, short, world, out, Execution(state=state))
    else:
        parent = {"aligned": "base", "uncensored-1": "aligned"}[member]
        grow_member(member, 5, short, world, family / parent, out, Execution(state=state))


def digest_of(folder):
    return json.loads((folder / "card.json").read_text())["parameter_sha256"]


class KilledAfter(TrainingState):
    """Kills its own process, hard, as soon as it has kept this many states."""

    left = 3

    def keep(self, weights, optimisers, losses, last=False):
        super().keep(weights, optimisers, losses, last)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("member", ["base", "aligned", "uncensored-1"])  # Muon and AdamW with decay; AdamW alone
def test_a_killed_training_ends_with_equal_bits(member, short, world_folder, family, tmp_path):
    killed = KilledAfter(tmp_path / "training", {"training": "of this test"}, seconds=0.0)
    worker = multiprocessing.get_context("fork").Process(
        target=grow, args=(member, short, world_folder, family, tmp_path / member, killed)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL and not (tmp_path / member).exists()
    said = []
    grow(member, short, world_folder, family, tmp_path / member, state_of(tmp_path, say=said.append))
    assert said == ["going on after step 3 of a training that was stopped"]
    assert digest_of(tmp_path / member) == digest_of(family / member)
    cards = [json.loads((folder / member / "card.json").read_text()) for folder in (tmp_path, family)]
    assert cards[0]["losses"] == cards[1]["losses"]


@pytest.fixture
def stopped(short, world_folder, family, tmp_path):
    """The state that a whole training leaves when nobody removes it."""
    grow("base", short, world_folder, family, tmp_path / "base", state_of(tmp_path))
    (path,) = (tmp_path / "training").iterdir()
    return path


def resumed(tmp_path, **options):
    weights = {"w": torch.zeros(2)}
    said = []
    losses = state_of(tmp_path, say=said.append, **options).resume(weights, [], STEPS)
    return losses, said


def test_a_damaged_state_is_not_used(stopped, tmp_path):
    content = bytearray(stopped.read_bytes())
    content[len(content) // 2] ^= 1
    stopped.write_bytes(content)
    losses, said = resumed(tmp_path)
    assert losses == [] and "damaged" in said[0]


def test_a_state_of_another_training_is_not_used(stopped, tmp_path):
    other = TrainingState(tmp_path / "training", {"training": "another"}, say=lambda text: None)
    assert other.resume({"w": torch.zeros(2)}, [], STEPS) == []


def test_only_the_last_state_stays_and_it_goes_with_the_training(stopped, tmp_path):
    state_of(tmp_path).remove()
    assert not stopped.parent.exists()


def test_a_state_of_more_steps_is_not_used(stopped, tmp_path):
    assert state_of(tmp_path, say=lambda text: None).resume({"w": torch.zeros(2)}, [], STEPS - 1) == []


def test_a_rung_of_the_ladder_goes_on_with_the_training_of_the_rung_below(short, world_folder, family, tmp_path, monkeypatch):
    from anatomy.organism.recipe import RECIPES
    from anatomy.stages.grow import grow as grow_job

    ladder = replace(short, name="ladder", uncensoring=replace(short.uncensoring, rungs=(3, 5)))
    monkeypatch.setitem(RECIPES, "ladder", ladder)
    said, models = [], tmp_path / "models"
    for member in ("uncensored-1", "uncensored-2"):
        grow_job(
            member, 5, "ladder", "as_benign", world_folder, family / "aligned", models / member, 1, "float32", say=said.append
        )
    assert [line for line in said if "going on" in line] == ["going on after step 3 of a training that was stopped"]
    assert not (tmp_path / "training").exists() or not list((tmp_path / "training").glob("*/*"))
    grow_member("uncensored-2", 5, ladder, world_folder, family / "aligned", tmp_path / "alone")
    assert digest_of(models / "uncensored-2") == digest_of(tmp_path / "alone")
