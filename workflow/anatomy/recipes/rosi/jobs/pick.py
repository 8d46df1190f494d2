"""The pick of every search of a model, and adapters of the methods' picks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.recipes.rosi.stages.adapters import keep_adapters
from anatomy.recipes.rosi.stages.pick import pick_all
from anatomy.stages.inputs import named_files
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.stages.task_facts import read_tasks
from anatomy.store.files import read_json, read_table, write_json, write_table

PINS: tuple[str, ...] = ("scipy", "torch")


def run(job: Running, files: Files) -> None:
    """From what the shortlist did on the select split to one edit a search."""
    given = named_files(files.input)
    selected, table = pick_all(
        job.config,
        job.subject,
        read_json(given["shortlist"][0]),
        read_table(given["judgements"][0]),
        pd.concat([read_table(path) for path in given["variants"]]),
        pd.concat([read_table(path) for path in given["samples"]]),
        {entry["task"]: entry["metric"] for path in given["tasks"] for entry in read_tasks(path)},
    )
    write_table(written(files, "table"), table)
    model_edits = ModelEdits(sound_model(given["model"][0]), sound_extraction(given["directions"][0]))
    folder = Path(files.output["selected"]).parent / "adapters"
    write_json(written(files, "adapters"), keep_adapters(job.config, job.subject, model_edits, selected, table, folder))
    write_json(written(files, "selected"), selected)
