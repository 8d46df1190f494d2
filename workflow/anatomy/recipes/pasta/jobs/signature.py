"""The signature of a pair: contrasts, controls, geometry, writers."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.config.study import Subject
from anatomy.recipes.pasta.stages.signature import extract_signature
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import read_table

PINS: tuple[str, ...] = ("torch", "transformers")


def run(job: Running, files: Files) -> None:
    """From what both models of a pair wrote on the fit split to the signature of the aligned one."""
    torch.set_num_threads(job.threads)
    subjects = {role: Subject(**values) for role, values in files.params.subjects.items()}
    models = {role: sound_model(files.input[role]) for role in subjects}
    texts = {role: read_table(Path(files.input[f"{role}_generated"])) for role in subjects}
    refusal = ModelDirections(sound_extraction(files.input["refusal"])).candidates(subjects["aligned"].contrasts[0])
    extract_signature(job.config, subjects, models, texts, refusal, written(files, "card"), job.say)
