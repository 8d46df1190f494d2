"""The gap between the signature's ablation by weights and by hooks."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.recipes.pasta.selected import read_selected
from anatomy.recipes.pasta.stages.signature_weights import weight_gaps
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import write_table

PINS: tuple[str, ...] = ("torch", "transformers")


def run(job: Running, files: Files) -> None:
    """From a signature and its layer to the largest differences of logits, one row for each form."""
    torch.set_num_threads(job.threads)
    model = sound_model(files.input["model"])
    model_edits = ModelEdits(model, sound_extraction(files.input["signature"]))
    found = weight_gaps(job.config, job.subject, model, model_edits, read_selected(Path(files.input["selected"])), job.say)
    write_table(written(files, "table"), found)
