"""Every figure and table of a run."""

from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

with job_of("figures", snakemake) as run:
    stage = import_module(f"anatomy.stages.{snakemake.params.stage}")
    from anatomy.stages.inputs import named_files

    stage.draw_all(
        run.config,
        named_files(snakemake.input),
        Path(snakemake.output.other[0]).parent,
        Path(snakemake.output.csv[0]).parent,
        run.say,
    )
