"""Paths of heads and learned subspaces of a model, from its refusal tokens and its picked direction to tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from anatomy.recipes.mechanisms.circuit_tables import CIRCUIT_COLUMNS
from anatomy.recipes.mechanisms.stages.circuits import circuits
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import place_of, read_selected
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "scikit-learn": "imported with what fits probes; none is fitted here",
    "vllm": "an engine is imported with what serves either way; nothing here is generated",
}


def run(job: Running, files: Files) -> None:
    """Open a model once, choose heads and train subspaces on fit, and read both on test. No edit is kept."""
    torch.set_num_threads(job.threads)
    card, extracted = sound_model(files.input["model"]), sound_extraction(files.input["directions"])
    contrast, selected = next(iter(read_selected(Path(files.input["direction"])).items()))
    tokens, place = read_refusal_tokens(Path(files.input["refusal_tokens"]))["tokens"], place_of(selected)
    found: dict[str, pd.DataFrame] = {}
    if tokens:
        loaded = opened(card)
        unit = None if place is None else ModelDirections(extracted).directions(contrast, None).unit(*place)
        found = circuits(job.config, job.subject, loaded, list(tokens), unit, place, job.say)
    for name, columns in CIRCUIT_COLUMNS.items():
        table = found.get(name, pd.DataFrame(columns=list(columns)))
        write_table(written(files, name), table[list(columns)].assign(model=job.subject.id))
