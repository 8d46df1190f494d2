"""Detection, affinity, diversity, style, quality and safety of a pair's texts, in one table."""

from __future__ import annotations

import pandas as pd
import torch

from anatomy.recipes.pasta.stages.text_measures import PairTables, text_measures
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_json, read_table, write_table
from anatomy.texts.diversity.style_markers import GENERAL, planted_markers

PINS: tuple[str, ...] = ("torch", "transformers", "scikit-learn")

TABLES = ("completions", "variants", "fit", "judgements", "detectors", "samples")


def run(job: Running, files: Files) -> None:
    """From texts, scores and judgements of both models to measures with intervals."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    pairwise = read_table(given["pairwise"][0]) if given["pairwise"] else None
    tables = PairTables(
        **{name: pd.concat(map(read_table, given[name]), ignore_index=True) for name in TABLES}, pairwise=pairwise
    )
    markers = planted_markers(read_json(given["world"][0].parent / "truth.json")) if given["world"] else GENERAL
    found = text_measures(job.config, job.subject, tables, sound_model(given["base"][0]), markers, job.say)
    for name, table in found.items():
        write_table(written(files, name), table)
