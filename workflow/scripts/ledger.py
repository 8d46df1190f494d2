"""The ledger: every claim of every paper of a run with its verdict."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of("ledger", snakemake) as run:
    from anatomy.stages.claims import one_ledger
    from anatomy.store.files import read_table, write_table, write_text

    ledger = one_ledger([read_table(Path(path)) for path in snakemake.input.parts])
    write_table(Path(snakemake.output.table), ledger)
    write_text(Path(snakemake.output.ledger), ledger.to_csv(index=False))
