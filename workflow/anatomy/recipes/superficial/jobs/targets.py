"""What heads of a pair are distilled from."""

from __future__ import annotations

import torch

from anatomy.config.study import Subject
from anatomy.recipes.superficial.stages.targets import targets
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_table, write_json, write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def run(job: Running, files: Files) -> None:
    """From a pair's models and the aligned one's answers to features and targets."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    pair = {role: Subject(**values) for role, values in files.params.subjects.items()}
    cards = {role: sound_model(given[role][0]) for role in ("base", "aligned")}
    world = given["world"][0] if given["world"] else None
    out, texts = written(files, "index"), read_table(given["completions"][0])
    if "variant" not in texts:  # the answers of another cache, whose models are spoken to otherwise here
        texts = texts.assign(variant="base", withheld=None)
    index, table = targets(job.config, pair, cards, texts, world, out.with_suffix(""), job.say)
    write_table(written(files, "answers"), table)
    write_json(out, index)
