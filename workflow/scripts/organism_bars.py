"""A grown family against the bars it was tuned for."""

from pathlib import Path

from anatomy.stages.job import job

with job(f"bars s{snakemake.wildcards.seed}", snakemake.log[0], threads=snakemake.threads,
         gpus=snakemake.resources.get("gpu")) as run:
    import torch

    from anatomy.stages.bars import measure
    from anatomy.store.files import write_text

    torch.set_num_threads(snakemake.threads)
    table = measure(int(snakemake.wildcards.seed), snakemake.params.recipe, Path(snakemake.input.world).parent,
                    snakemake.threads)
    write_text(Path(snakemake.output.table), table.to_csv(index=False))
