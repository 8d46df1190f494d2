"""The world of an organism."""

from pathlib import Path

from anatomy.stages.job import job
from anatomy.stages.world import make

with job("world", snakemake.log[0], snakemake.params.options) as run:
    make(int(snakemake.wildcards.seed), run.config.organism.recipe, Path(snakemake.output.world).parent)
