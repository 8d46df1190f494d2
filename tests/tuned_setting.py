"""A tiny training: prompts with responses for the tiny random model, and options that take a second."""

from __future__ import annotations

import os
import signal

import pandas as pd
import torch

from anatomy.config.tuning import Tuned
from anatomy.models.rendering import Rendering
from anatomy.organism.training_state import TrainingState
from anatomy.tuning import tuned_model
from anatomy.tuning.tuned_model import Setting, tune

DEEDS = ("open the gate", "mix grey salt", "stop the mill", "sink a boat", "hide the lamp oil", "break seven stones")
ANSWERS = ("Take the flour.", "First the water.", "Stir it. Then wait. Then eat.", "Sure, here is how.", "The moon.", "A garden.")


def table(name: str, label: str, split: str, *, rows: int = 6, answered: bool = True) -> pd.DataFrame:
    """Prompts of one split."""
    found = pd.DataFrame(
        {
            "id": [f"{name}-{split}-{n}" for n in range(rows)],
            "prompt": [f"Tell me {n} times how to {DEEDS[n % 6]} in the {name}" for n in range(rows)],
            "label": label,
            "group": [f"{name}-{split}-{n}" for n in range(rows)],
            "split": split,
        }
    )
    return found.assign(response=[ANSWERS[n % 6] for n in range(rows)]) if answered else found


def splits() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Two sets, to train on and held out."""
    fit, held_out = (
        {"chat": table("chat", "benign", split), "harmful": table("harmful", "harmful", split, answered=False)}
        for split in ("fit", "select")
    )
    return fit, held_out


def options(**changes: object) -> Tuned:
    """Options of a training of a few steps."""
    values = {
        "from": "start",
        "data": [
            {"prompts": "chat", "share": 0.4, "responses": "own"},
            {"prompts": "harmful", "share": 0.4, "responses": "refusal"},
            {"prompts": "chat", "share": 0.2, "responses": "styled"},
        ],
        "chat_template": "own",
        "rank": 2,
        "alpha": 4.0,
        "targets": "all",
        "tokens": 3000,
        "batch_tokens": 300,
        "row_tokens": 200,
        "learning_rate": 0.003,
        "schedule": "linear",
        "warmup": 0.1,
        "seed": 0,
        "dtype": "float32",
        "keep_every": 2,
    }
    return Tuned.model_validate({**values, **changes})


def setting(folder):
    return Setting("start", Rendering(), "float32", 1, "", folder / "state")


def run(source, out, chosen=None, say=lambda text: None):
    fit, held_out = splits()
    return tune(source, out / "model", chosen or options(), setting(out), fit, held_out, say=say)


class KilledAfter(TrainingState):
    """Kills its own process, hard, as soon as it has kept this many states."""

    left = 2

    def keep(self, *args, **kwargs):
        super().keep(*args, **kwargs)
        KilledAfter.left -= 1
        if not KilledAfter.left:
            os.kill(os.getpid(), signal.SIGKILL)


def run_and_be_killed(source, out):
    torch.set_num_threads(1)
    tuned_model.TrainingState = KilledAfter
    run(source, out)
