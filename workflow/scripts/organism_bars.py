"""A grown family against the bars it was tuned for."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"bars s{snakemake.wildcards.seed}", snakemake) as run:
    import torch

    from anatomy.stages.bars import measure
    from anatomy.store.files import write_text

    torch.set_num_threads(run.threads)
    table = measure(int(snakemake.wildcards.seed), snakemake.params.recipe, Path(snakemake.input.world).parent, run.threads)
    write_text(Path(snakemake.output.table), table.to_csv(index=False))
