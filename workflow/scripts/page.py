"""The report of a run."""

from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

with job_of("report", snakemake) as run:
    stage = import_module(f"anatomy.stages.{snakemake.params.stage}")
    from anatomy.stages.inputs import named_files
    from anatomy.store.files import read_table

    files = named_files(snakemake.input)
    figures, ledger, cards = files.pop("figures"), files.pop("ledger"), files.pop("cards")
    stage.write_page(run.config, files, figures[0].parent, read_table(ledger[0]), cards, Path(snakemake.output.page))
    run.say(f"open {snakemake.output.page}")
