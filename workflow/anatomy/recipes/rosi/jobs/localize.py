"""The refusal direction of a model, and the shortlist of every search."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.recipes.rosi.stages.localize import localize
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import write_json, write_table

PINS: tuple[str, ...] = ("tokenizers", "torch", "transformers")


def run(job: Running, files: Files) -> None:
    """From a model and its extraction to the selection grid, the screen and the shortlist."""
    torch.set_num_threads(job.threads)
    fallback = files.input.get("fallback")
    model, extracted = sound_model(files.input["model"]), sound_extraction(files.input["directions"])
    found = localize(job.config, job.subject, model, extracted, Path(fallback) if fallback else None, job.say)
    for name in ("grid", "screen", "completions"):
        write_table(written(files, name), getattr(found, name))
    for name in ("selected", "shortlist", "refusal_tokens"):
        write_json(written(files, name), getattr(found, name))
