"""Train one member of an organism's family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anatomy.config.subjects import Dtype, HarmSpeech
from anatomy.models.machine.formats import AUTO, resolved, warn_if_slow
from anatomy.organism.execution import Execution
from anatomy.organism.recipe import recipe_of
from anatomy.organism.training import grow_base, grow_member, training_steps
from anatomy.organism.training_state import TrainingState
from anatomy.progress.counting import Progress
from anatomy.store.files import read_json

PINS: tuple[str, ...] = ("tokenizers", "torch")


def grow(
    member: str,
    seed: int,
    recipe: str,
    harm_speech: HarmSpeech,
    world: Path,
    parent: Path | None,
    out: Path,
    threads: int,
    dtype: Dtype = AUTO,
    code: str = "",
    say: Callable[[str], None] = print,
) -> None:
    """Train a member and write its folder; a training that was stopped goes on from the state it left.

    A rung of the uncensored ladder is the training of the rung below, longer: it goes on from that one's last state.

    Args:
        harm_speech: how the world's harmful recipes are told.
        world: folder of the seed's world.
        parent: folder of the model training starts from; None for the base.
        out: the member's folder.
        threads: parts of a step computed at a time; changes no bit.
        dtype: number format of products with weights, part of the result's identity; ``auto``: what this machine multiplies fast.
        code: fingerprint of the code that trains; a state left by other code is not gone on from.
        say: receives a line where a training goes on.
    """
    numbers = recipe_of(recipe, harm_speech)
    chosen = resolved(dtype)
    warn_if_slow(chosen, "organism.dtype", say)
    start = read_json(parent / "card.json")["parameter_sha256"] if parent is not None else None
    ladder = member.startswith("uncensored")
    training = "uncensored" if ladder else member
    last = not ladder or member == f"uncensored-{len(numbers.uncensoring.rungs)}"
    key = {"training": training, "seed": seed, "recipe": numbers.digest(), "parent": start, "dtype": chosen, "code": code}
    state = TrainingState(out.parent.parent / "training" / training, key, say=say)

    def advance(steps: int, tokens: int) -> None:
        (progress.advance(steps, tokens) if tokens else progress.resume(steps))  # without tokens: done before it was stopped

    with Progress("steps trained", training_steps(member, numbers), say, whole=True) as progress:
        execution = Execution(threads, chosen, state, advance)
        if parent is None:
            grow_base(seed, numbers, world, out, execution)
        else:
            grow_member(member, seed, numbers, world, parent, out, execution)
    if last:
        state.remove()
