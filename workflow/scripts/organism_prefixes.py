"""The prefix corpus of an organism's world."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of("prefixes", snakemake) as run:
    from anatomy.stages.prefixes import make

    make(snakemake.params.recipe, Path(snakemake.input.world).parent, Path(snakemake.output.table))
