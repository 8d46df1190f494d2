"""Scores of weights against a plain loop of forward and backward passes, and a grid of masks against an export for each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from speed.comparison import Comparison
from speed.repeats import alternate, seconds
from speed.setting import Setting
from speed.texts import passages

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.pruning.gradient_sums import gradient_sums
from anatomy.interventions.pruning.masks import pruning_edit
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.interventions.pruning.response_loss import response_loss
from anatomy.interventions.pruning.saved_sums import Saving
from anatomy.interventions.pruning.scores import signed_score
from anatomy.models.activations.answers import Forced
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel, load_model
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers

DTYPES = ("float32", "bfloat16")
PAIRS, FRACTIONS, PROMPTS, NEW, MEASURED = 32, 12, 16, 16, 2


def measure(setting: Setting) -> list[Comparison]:
    torch.set_num_threads(setting.threads)
    loaded = setting.loaded()
    texts = pairs(loaded, setting.of(PAIRS, 3))
    matrices = scored_matrices(loaded, Checkpoint(loaded.folder))
    taken = {dtype: _times(setting, setting.loaded(dtype=dtype), texts) for dtype in DTYPES}
    against = "a plain loop of forward and backward passes over the same pairs"
    peaks = {dtype: [[peak(setting.model(dtype=dtype), side, setting, dtype)] for side in ("ours", "loop")] for dtype in DTYPES}
    ours, theirs, number = grid(setting, loaded, matrices, texts)
    return [
        *(
            Comparison(
                f"scores of every matrix, {dtype}",
                against,
                1.2,
                "at most",
                both["ours"],
                both["loop"],
                setting.label(dtype=dtype),
                len(texts),
                "pairs",
                pair_note(texts),
            )
            for dtype, both in taken.items()
        ),
        *(
            Comparison(
                f"scores of every matrix, memory, {dtype}",
                against,
                1.3,
                "at most",
                *both,
                model=setting.label(dtype=dtype),
                unit="bytes",
                note="peak resident memory of a process of its own, weights and libraries included: the loop keeps gradients, "
                "ours their sums, which are float32; of a bfloat16 model those of the upper blocks are on disk before those "
                "of the lower ones begin",
            )
            for dtype, both in peaks.items()
        ),
        Comparison(
            f"grid of {number} masks",
            "export, load and generate in a process for each mask",
            8.0,
            "at least",
            ours,
            theirs,
            setting.label(),
            number,
            "masks",
            f"{PROMPTS} prompts x {NEW} tokens, transformers on both sides; theirs measured on {MEASURED} masks, extrapolated, "
            "imports counted",
        ),
    ]


def _times(setting: Setting, loaded: LoadedModel, texts: list[Forced]) -> dict[str, list[float]]:
    """Seconds of both sides; ours with what a scoring of the workflow writes to disk."""
    matrices = scored_matrices(loaded, Checkpoint(loaded.folder))
    return alternate(
        {"ours": lambda: scored(loaded, matrices, texts, setting.scratch), "loop": lambda: plain_loop(loaded, matrices, texts)},
        setting.repeats,
    )


def scored(loaded: LoadedModel, matrices: dict[str, torch.nn.Parameter], texts: list[Forced], scratch: Path) -> None:
    """Sums as the workflow makes them."""
    saving = Saving(scratch / "sums.safetensors", "scores")
    gradient_sums(loaded, matrices, texts, [str(number) for number in range(len(texts))], absolute=True, saving=saving)
    saving.remove()


def pairs(loaded: LoadedModel, count: int) -> list[Forced]:
    """Prompts of 10 to 30 words with answers of about as many."""
    texts = [loaded.tokenizer.encode(text, add_special_tokens=False) for text in passages(2 * count, 10, 30)]
    return [Forced(prompt, answer) for prompt, answer in zip(texts[:count], texts[count:], strict=True)]


def pair_note(texts: list[Forced]) -> str:
    """How many tokens there are."""
    return f"{len(texts)} pairs, {sum(len(one.read) for one in texts)} tokens, one pair at a time, absolute scores"


def plain_loop(loaded: LoadedModel, matrices: dict[str, torch.nn.Parameter], texts: list[Forced]) -> None:
    """The passes alone: every gradient is made and kept until the next pair."""
    for weight in matrices.values():
        weight.requires_grad_(True)
    with torch.enable_grad():
        for text in texts:
            for weight in matrices.values():
                weight.grad = None
            response_loss(loaded, text).backward()
    for weight in matrices.values():
        weight.requires_grad_(False).grad = None


def grid(
    setting: Setting, loaded: LoadedModel, matrices: dict[str, torch.nn.Parameter], texts: list[Forced]
) -> tuple[list[float], list[float], int]:
    """Seconds of a whole grid, ours and theirs, and how many masks it has."""
    number, checkpoint = setting.of(FRACTIONS, 2), Checkpoint(loaded.folder)
    found = gradient_sums(loaded, matrices, texts[:3], ["0", "1", "2"], absolute=False)
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in matrices.items()}
    top = top_scores(signed_score(matrices, found), shapes, 0.01, "matrix")
    edits = [
        pruning_edit({"number": place}, "amplify", checkpoint, top.top(0.01 * (place + 1) / number)) for place in range(number)
    ]
    prompts = [loaded.tokenizer.encode(text) for text in passages(setting.of(PROMPTS, 4), 15, 45)]

    def ours() -> None:
        for edit in edits:
            with applied(loaded, edit):
                generate_with_transformers(loaded, prompts, Decoding(NEW, 0.0), batch_size=PROMPTS)

    each = []
    for edit in edits[: setting.of(MEASURED, 1)]:
        out = setting.scratch / "pruned"

        def theirs(edit: Any = edit, out: Path = out) -> None:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(checkpoint.folder, out, ignore=shutil.ignore_patterns("*.safetensors"))
            stream_checkpoint(checkpoint, stack_rewrites([edit]), out)
            asked = out.parent / "asked.json"
            asked.write_text(json.dumps({"folder": str(out), "prompts": prompts, "threads": setting.threads}))
            _child("generate", str(asked))

        each.append(seconds(theirs))
    return [seconds(ours) for _ in range(setting.repeats)], [median(each) * number], number


def peak(folder: Path, side: str, setting: Setting, dtype: str) -> float:
    """Bytes that a process of its own holds at most."""
    return float(_child("peak", str(folder), side, str(setting.of(6, 2)), dtype))


def _child(*arguments: str) -> str:
    path = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.strip().splitlines()[-1]


def _kilobytes(name: str) -> int:
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)).split()[1])


def _peak(folder: Path, side: str, count: int, dtype: str) -> None:
    loaded = load_model(folder, getattr(torch, dtype), "cpu")
    matrices, texts = scored_matrices(loaded, Checkpoint(folder)), pairs(loaded, count)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: scored(loaded, matrices, texts, folder.parent),
        "loop": lambda: plain_loop(loaded, matrices, texts),
    }
    Path("/proc/self/clear_refs").write_text("5")  # peak := now
    sides[side]()
    print(_kilobytes("VmHWM") * 1024)


def _generate(file: Path) -> None:
    asked = json.loads(file.read_text())
    torch.set_num_threads(asked["threads"])
    loaded = load_model(Path(asked["folder"]), torch.float32, "cpu")
    generate_with_transformers(loaded, asked["prompts"], Decoding(NEW, 0.0), batch_size=PROMPTS)
    print(time.perf_counter())


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "peak":
        _peak(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        _generate(Path(sys.argv[2]))
