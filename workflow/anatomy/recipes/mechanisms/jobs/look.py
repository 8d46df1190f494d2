"""A model under every instrument, from its card, its refusal tokens and its directions to tables."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pandas as pd
import torch

from anatomy.recipes.mechanisms.evidence_tables import STEERED
from anatomy.recipes.mechanisms.recipe import COLUMNS
from anatomy.recipes.mechanisms.stages.looking import look, read_prompts
from anatomy.recipes.mechanisms.stages.other_directions import directions_at
from anatomy.recipes.mechanisms.stages.steered import own_answers, steering_tables
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import USABLE, read_selected
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers", "scikit-learn")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; nothing here is generated"}


def run(job: Running, files: Files) -> None:
    """Open a model once and read it with every instrument. Nothing is generated and nothing edited is kept."""
    torch.set_num_threads(job.threads)
    card, extracted = sound_model(files.input["model"]), sound_extraction(files.input["directions"])
    selected = read_selected(Path(files.input["direction"]))
    tokens = read_refusal_tokens(Path(files.input["refusal_tokens"]))["tokens"]
    loaded = opened(card)
    place = next(iter(selected.values()))
    units, layer = {}, place["layer"] if place["outcome"] in USABLE else None
    if layer is not None and place["position"] is not None:
        known = ModelDirections(extracted).directions(next(iter(selected)), None)
        units["refusal"] = known.unit(place["position"], layer)
    generator = torch.Generator().manual_seed(job.config.mechanisms.seed)
    units["random"] = torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=generator), dim=0)
    vectors = read_table(Path(files.input["vectors"]))
    others = directions_at(vectors, loaded.num_layers // 2 if layer is None else layer)
    state = written(files, "patching").with_suffix("")
    found = look(job.config, job.subject, loaded, list(tokens), units, others, layer, job.say, state)
    if tokens and layer is not None and "refusal" in units:
        fit, test = (
            read_prompts(job.config, job.subject, loaded, phase, job.config.mechanisms.prompts) for phase in ("fit", "test")
        )
        rendering = answer_rendering(job.config.evaluation, job.subject)
        answers = own_answers(job.config, loaded, read_table(Path(files.input["answers"])), rendering)
        found |= steering_tables(job.config, loaded, fit, test, answers, list(tokens), units, layer)
    found["picked"] = pd.DataFrame([{"outcome": place["outcome"], "position": place["position"], "layer": place["layer"]}])
    for name, columns in {**COLUMNS, **STEERED}.items():
        table = found.get(name, pd.DataFrame(columns=list(columns)))
        write_table(written(files, name), table.assign(model=job.subject.id))
    rmtree(state, ignore_errors=True)
