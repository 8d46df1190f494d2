"""The world of an organism."""

from pathlib import Path

from anatomy.stages.job import job
from anatomy.stages.world import make

with job("world", snakemake.log[0]) as run:
    make(int(snakemake.wildcards.seed), snakemake.params.recipe, Path(snakemake.output.world).parent)
