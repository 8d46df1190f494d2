"""The world of an organism."""

from pathlib import Path

from anatomy.runs.job import job_of
from anatomy.stages.world import make

with job_of("world", snakemake) as run:
    folder = Path(snakemake.output.world).parent
    make(int(snakemake.wildcards.seed), snakemake.params.recipe, snakemake.params.harm_speech, folder)
