"""Which layer holds the signature, by each detector, and at which point to take it out."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"localize signature {snakemake.wildcards.model}", snakemake) as run:
    from anatomy.stages.localize_signature import localize_signature
    from anatomy.store.files import read_json, read_table, write_json, write_table

    tables = {name: read_table(Path(snakemake.input[name])) for name in ("completions", "variants", "judgements", "detectors")}
    found = localize_signature(run.config, run.subject, read_json(Path(snakemake.input.signature)), **tables, say=run.say)
    write_json(Path(snakemake.output.selected), found.pop("selected"))
    for name, table in found.items():
        write_table(Path(snakemake.output[name]), table)
