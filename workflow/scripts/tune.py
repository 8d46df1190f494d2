"""A model is made from another one by training."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"tune {snakemake.wildcards.model}", snakemake) as run:
    from anatomy.config.tuning import Tuned
    from anatomy.stages.soundness import sound_model
    from anatomy.stages.tune import tune_model

    assert run.subject is not None
    tune_model(
        run.subject,
        Tuned.model_validate(snakemake.params.source),
        sound_model(snakemake.input.model),
        dict(zip(snakemake.params.sets, map(Path, snakemake.input.prompts), strict=True)),
        Path(snakemake.output.card),
        threads=run.threads,
        code=snakemake.params.code,
        say=run.say,
    )
