"""A GGUF file becomes a model folder."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"convert {snakemake.wildcards.model}", snakemake) as run:
    from anatomy.stages.convert import convert_model

    convert_model(Path(snakemake.input[0]), snakemake.params.source, Path(snakemake.output.card), run.say)
