"""The ledger of a run: every claim with its verdict."""

from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

with job_of("claims", snakemake) as run:
    stage = import_module(f"anatomy.stages.{snakemake.params.stage}")
    from anatomy.stages.inputs import named_files
    from anatomy.store.files import write_table, write_text

    ledger = stage.judge_claims(run.config, named_files(snakemake.input))
    write_table(Path(snakemake.output.table), ledger)
    write_text(Path(snakemake.output.ledger), ledger.to_csv(index=False))
    run.say(", ".join(f"{count} {verdict}" for verdict, count in ledger["verdict"].value_counts().items()))
