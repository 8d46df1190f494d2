"""The prefix corpus of an organism's world."""

from pathlib import Path

from anatomy.stages.job import job

with job("prefixes", snakemake.log[0]) as run:
    from anatomy.stages.prefixes import make

    make(snakemake.params.recipe, Path(snakemake.input.world).parent, Path(snakemake.output.table))
