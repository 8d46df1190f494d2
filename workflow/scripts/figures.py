"""Every figure and table of a run."""

from pathlib import Path

from anatomy.stages.job import job_of

with job_of("figures", snakemake) as run:
    from anatomy.stages.draw import draw_all
    from anatomy.stages.inputs import named_files

    draw_all(run.config, named_files(snakemake.input), Path(snakemake.output.other[0]).parent,
             Path(snakemake.output.csv[0]).parent, run.say)
