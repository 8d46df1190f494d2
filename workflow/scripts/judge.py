"""Every completion of a pass, judged."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"judge {snakemake.wildcards.model} {snakemake.wildcards.pass_}"
with job_of(name, snakemake) as run:
    import pandas as pd

    from anatomy.stages.judge import judge
    from anatomy.store.files import read_table, write_table

    files = snakemake.input.completions
    files = [files] if isinstance(files, str) else list(files)
    world, classifier = snakemake.input.get("world"), snakemake.input.get("classifier")
    table = judge(
        run.config,
        run.subject,
        pd.concat([read_table(Path(file)) for file in files], ignore_index=True),
        Path(world).parent if world else None,
        Path(classifier).parent if classifier else None,
    )
    write_table(Path(snakemake.output.table), table)
