"""What is done, what is missing, what is stale and why."""

from anatomy.stages.status import print_status

print_status(snakemake.params.snakefile, snakemake.params.config)
