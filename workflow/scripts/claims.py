"""The ledger of a run: every claim with its verdict."""

from pathlib import Path

from anatomy.stages.job import job

with job("claims", snakemake.log[0], snakemake.params.options) as run:
    from anatomy.stages.claims import judge_claims
    from anatomy.store.files import write_table, write_text

    files = {name: [Path(file) for file in ([files] if isinstance(files, str) else files)]
             for name, files in snakemake.input.items()}
    ledger = judge_claims(run.config, files)
    write_table(Path(snakemake.output.table), ledger)
    write_text(Path(snakemake.output.ledger), ledger.to_csv(index=False))
