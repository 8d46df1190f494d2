"""Edited continuations of a model compared with its unedited ones by a pairwise judge."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"pairwise judge {snakemake.wildcards.model}", snakemake) as run:
    from anatomy.models.imports import without_unused
    from anatomy.serving.environment import prepare_environment

    prepare_environment(snakemake.threads)
    with without_unused():
        from anatomy.stages.pairwise import compare
    from anatomy.stages.inputs import named_files
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_table, write_table

    files = named_files(snakemake.input)
    card = sound_model(files["judge"][0]) if run.config.models else None
    verdicts = compare(
        run.config,
        run.subject,
        read_table(files["completions"][0]),
        card,
        run.say,
        threads=snakemake.threads,
        gpus=max(1, len(run.gpus)),
    )
    write_table(Path(snakemake.output.table), verdicts)
