"""Candidate directions of a model, with controls, for each contrast."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"extract {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.config.methods import Controls
    from anatomy.stages.extract import extract
    from anatomy.stages.soundness import sound_model

    torch.set_num_threads(run.threads)
    controls = Controls(**snakemake.params.controls)
    extract(run.config, run.subject, sound_model(snakemake.input.model), controls, Path(snakemake.output.card), run.say)
