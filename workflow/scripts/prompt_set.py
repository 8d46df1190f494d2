"""A prompt set of your own: read, audited, split."""

from pathlib import Path

from anatomy.stages.job import job

with job(f"prompts {snakemake.wildcards.set}", snakemake.log[0]) as run:
    from anatomy.stages.prompt_set import prepare

    prepare(snakemake.wildcards.set, snakemake.params.source, Path(snakemake.output.table), run.say)
