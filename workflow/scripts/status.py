"""What would run, and why."""

from pathlib import Path

from anatomy.progress.terminal import let_output_go
from anatomy.runs.pending.jobs import pending_jobs
from anatomy.runs.pending.reasons import print_status
from anatomy.store.code_parts import kept_parts

let_output_go()

store, results = Path(snakemake.params.store), Path(snakemake.params.config["results"])
# A paper that was asked for by its own target is looked after with the default one.
targets = ["all", *(name for name in snakemake.params.papers if (results / name).is_dir())]
print_status(pending_jobs(Path(snakemake.params.snakefile), snakemake.params.config, targets), kept_parts(store))
