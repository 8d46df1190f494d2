"""A model and its base on the same prompts, and what other papers of the run found of the model: the geometry of directions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.mechanisms.evidence_tables import GEOMETRY
from anatomy.recipes.mechanisms.stages.directions import directions_of, read_sides, require_alike
from anatomy.recipes.mechanisms.stages.geometry import geometry_tables
from anatomy.recipes.mechanisms.stages.looking import read_prompts
from anatomy.recipes.mechanisms.stages.moved import moved_tokens, refusal_transplants
from anatomy.recipes.mechanisms.stages.other_directions import others_directions
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import place_of, read_selected
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers", "scikit-learn")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; nothing here is generated"}

NAMED = ("rosi", "signature", "mask", "head")
"""Inputs that name directions (``neighbours.files_of_others``)."""


def run(job: Running, files: Files) -> None:
    """Read both models on fit and test, and compare directions. Nothing is generated and nothing is edited."""
    torch.set_num_threads(job.threads)
    seed = job.config.mechanisms.seed
    loaded = opened(sound_model(files.input["model"]))
    known = ModelDirections(sound_extraction(files.input["directions"]))
    contrast, selected = next(iter(read_selected(Path(files.input["direction"])).items()))
    place = place_of(selected)
    picked = None if place is None else known.directions(contrast, None).unit(*place)
    base_card = None if not files.input.get("base") else sound_model(files.input["base"])
    base = None if base_card is None else opened(base_card)
    if base is not None:
        require_alike(loaded, base)
    fit, test = (read_sides(job.config, job.subject, loaded, base, phase) for phase in ("fit", "test"))
    directions = directions_of(fit, picked, seed)
    others = {name: str(file) for name in NAMED if (file := files.input.get(name))}
    directions |= others_directions(others, known, loaded, None if base_card is None else Checkpoint(Path(base_card["folder"])))
    job.say(f"{job.subject.id}: {len(directions)} directions at {loaded.num_layers + 1} layers: {', '.join(directions)}")
    found = geometry_tables(fit, test, directions, seed)
    if base is not None:
        found["moved"] = moved_tokens(job.config, job.subject, loaded, base, read_table(Path(files.input["answers"])))
    tokens = read_refusal_tokens(Path(files.input["refusal_tokens"]))["tokens"]
    if base is not None and tokens and job.subject.is_organism:
        harmful = read_prompts(job.config, job.subject, loaded, "test", job.config.mechanisms.prompts)["harmful"]
        found["transplants"] = refusal_transplants(job.config, loaded, base, harmful, list(tokens))
    for name, columns in GEOMETRY.items():
        table = found.get(name, pd.DataFrame(columns=list(columns)))
        write_table(written(files, name), table.assign(model=job.subject.id))
