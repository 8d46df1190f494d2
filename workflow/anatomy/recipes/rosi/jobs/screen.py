"""The screen of a model's candidate edits, and the shortlist of every search."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.recipes.rosi.stages.screen import screen_model
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import write_json, write_table

PINS: tuple[str, ...] = ("torch", "transformers")


def run(job: Running, files: Files) -> None:
    """From a model, its extraction and its refusal tokens to the screen and the shortlist."""
    torch.set_num_threads(job.threads)
    model, extracted = sound_model(files.input["model"]), sound_extraction(files.input["directions"])
    tokens = read_refusal_tokens(Path(files.input["refusal_tokens"]))
    table, shortlist = screen_model(job.config, job.subject, model, extracted, tokens, job.say)
    write_table(written(files, "screen"), table)
    write_json(written(files, "shortlist"), shortlist)
