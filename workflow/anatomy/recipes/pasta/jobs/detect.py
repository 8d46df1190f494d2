"""Every continuation of a pass scored by every detector."""

from __future__ import annotations

import pandas as pd
import torch

from anatomy.recipes.pasta.stages.detect import detect
from anatomy.recipes.pasta.stages.instruments import family_instruments, fitting_texts, own_instruments
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_table, write_json, write_table

PINS: tuple[str, ...] = ("torch", "transformers", "peft", "scikit-learn")


def run(job: Running, files: Files) -> None:
    """From continuations, and texts whose writer is known, to scores."""
    torch.set_num_threads(job.threads)
    given, organism, options = named_files(files.input), job.subject.is_organism, job.config.pasta
    aligned, humans = (pd.concat(map(read_table, given[name]), ignore_index=True) for name in ("fit_aligned", "fit_humans"))
    texts = fitting_texts(job.config, aligned, humans, organism)
    cards = [sound_model(card) for card in given["scorers"]]
    if organism:
        instruments = family_instruments(job.config, cards, texts)
    else:
        measuring = files.wildcards.pass_.endswith(".test")
        names = options.own_detectors if measuring else options.selecting(False)
        own = {name: options.own_detectors[name] for name in names}
        instruments = own_instruments(own, {card["id"]: card for card in cards}, texts, job.say)
    table, cells = detect(job.config, job.subject, instruments, read_table(given["completions"][0]), job.say)
    write_json(written(files, "table").with_suffix(".cells.json"), cells)
    write_table(written(files, "table"), table)
