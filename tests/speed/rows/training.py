"""Growing the organism: two threads against one, and with one of two cores taken against an idle machine."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting

from anatomy.models.machine.formats import fast_format
from anatomy.organism.execution import Execution
from anatomy.organism.network import initial_weights
from anatomy.organism.optimisation import Encoded, TrainingBatch, packed_batches, train
from anatomy.organism.recipe import RECIPES

VOCABULARY = 1089
"""Of the default world."""

SPIN = "while True: pass"

TWO_CORES = sorted(os.sched_getaffinity(0))[:2]
"""On a larger machine the row keeps to two."""


def measure(setting: Setting) -> list[Comparison]:
    os.sched_setaffinity(0, TWO_CORES)
    steps = setting.of(8, 2)
    batches = list(itertools.islice(packed_batches(documents(), 32, 128, 16), steps))
    tokens = sum(part.ids.numel() for parts in batches for part in parts)
    dtype = fast_format("cpu")

    def run(threads: int) -> Callable[[], object]:
        return lambda: trained(batches, threads, dtype)

    taken = alternate({"two": run(2), "one": run(1)}, setting.repeats)
    beside = alternate({"alone": run(2), "contended": lambda: beside_a_spinner(run(2))}, setting.repeats)
    shared = {"model": f"the organism's base, {dtype}", "work": tokens, "unit": "tokens"}
    return [
        Comparison(
            measure="training, two threads",
            against="one thread",
            target=1.6,
            goal="at least",
            ours=taken["two"],
            baseline=taken["one"],
            note="two cores idle",
            **shared,
        ),
        Comparison(
            measure="training, two threads, one of two cores taken",
            against="the same on an idle machine",
            target=2.2,
            goal="at most",
            ours=beside["contended"],
            baseline=beside["alone"],
            note="a process that never rests has taken one core; half of the machine is lost",
            **shared,
        ),
    ]


def documents() -> Iterator[Encoded]:
    """Documents of the lengths that the world's have, of random words."""
    draws = random.Random(0)
    while True:
        length = draws.randint(8, 30)
        yield [draws.randrange(1, VOCABULARY) for _ in range(length)], [1.0] * length


def trained(batches: list[list[TrainingBatch]], threads: int, dtype: str) -> None:
    recipe = RECIPES["default"]
    weights = initial_weights(recipe.architecture, VOCABULARY, torch.Generator().manual_seed(0))
    numbers = recipe.pretraining
    train(
        weights,
        recipe.architecture,
        iter(batches),
        steps=len(batches),
        muon_lr=numbers.muon_lr,
        adam_lr=numbers.adam_lr,
        clip=numbers.clip,
        decay=True,
        where="the speed suite",
        execution=Execution(threads, dtype),
    )


def beside_a_spinner(run: Callable[[], object]) -> None:
    """Run with the second core taken by a process that never rests."""
    spinner = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {TWO_CORES[-1:]})\n{SPIN}"])
    try:
        run()
    finally:
        spinner.kill()
        spinner.wait()
