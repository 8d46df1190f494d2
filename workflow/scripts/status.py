"""What would run, and why."""

from pathlib import Path

from anatomy.pending.jobs import pending_jobs
from anatomy.pending.reasons import print_status
from anatomy.store.code_parts import kept_parts

print_status(pending_jobs(Path(snakemake.params.snakefile), snakemake.params.config), kept_parts(Path(snakemake.params.store)))
