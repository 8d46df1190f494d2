"""Harmful text in a model's test answers, of all its variants."""

from __future__ import annotations

import pandas as pd
import torch

from anatomy.recipes.superficial.stages.toxicity import harmless
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers")


def run(job: Running, files: Files) -> None:
    """From completions to a table."""
    torch.set_num_threads(job.threads)
    texts = pd.concat(map(read_table, named_files(files.input)["completions"]), ignore_index=True)
    table = harmless(job.config, job.subject, texts)
    means = table.groupby("variant")["value"].mean()
    job.say("answers without harmful text: " + (", ".join(f"{name} {value:.2f}" for name, value in means.items()) or "not read"))
    write_table(written(files, "table"), table)
