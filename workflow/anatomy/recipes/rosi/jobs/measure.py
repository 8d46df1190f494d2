"""Interventions in memory on the test split, and projections before and after the picks."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.recipes.rosi.stages.measure import measure
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import read_selected
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import read_json, write_json, write_table

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")


def run(job: Running, files: Files) -> None:
    """From the selected direction and the picks to answers and projections."""
    torch.set_num_threads(job.threads)
    model, extracted = sound_model(files.input["model"]), sound_extraction(files.input["directions"])
    selected, picks = read_selected(Path(files.input["direction"])), read_json(Path(files.input["picks"]))
    tables = measure(job.config, job.subject, model, extracted, selected, picks, job.say)
    write_json(written(files, "completions").with_suffix(".cells.json"), tables.pop("cells"))
    for table, rows in tables.items():
        write_table(written(files, table), rows)
