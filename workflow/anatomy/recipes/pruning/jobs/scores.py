"""Scores of a model's weights, from its own answers to prompts of fit."""

from __future__ import annotations

from shutil import rmtree

import torch

from anatomy.interventions.pruning.projections import write_projections
from anatomy.interventions.pruning.scores import write_top
from anatomy.recipes.pruning.stages.abilities import asked
from anatomy.recipes.pruning.stages.scored_sets import require_prompts, scored_kinds
from anatomy.recipes.pruning.stages.scoring import score
from anatomy.stages.inputs import named_files
from anatomy.stages.opening import opened
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}


def run(job: Running, files: Files) -> None:
    """From a model to the highest scores of each set, and the losses that they predict. No answer is written."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    card = sound_model(given["model"][0])
    prompts = asked(job.config, job.subject, given["world"][0] if given["world"] else None)
    require_prompts(prompts, scored_kinds(job.config.pruning, prompts), job.subject.id)
    loaded = opened(card)
    out = written(files, "scores")
    found = score(job.config, job.subject, loaded, prompts, out.with_suffix(""), job.say)
    write_table(written(files, "losses"), found.losses)
    write_table(written(files, "spaces"), found.spaces)
    write_projections(written(files, "projections"), found.projections)
    write_top(out, found.tops, {"model": card["digest"], "answers": found.counts})
    rmtree(out.with_suffix(""), ignore_errors=True)
