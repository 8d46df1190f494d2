"""The world of an organism."""

from pathlib import Path

from anatomy.runs.job import job_of
from anatomy.stages.world import make

with job_of("world", snakemake) as run:
    make(int(snakemake.wildcards.seed), snakemake.params.recipe, Path(snakemake.output.world).parent)
