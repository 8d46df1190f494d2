"""Completions and benchmark items of every variant of a model in one phase."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"evaluate {snakemake.wildcards.model} {snakemake.wildcards.phase}"
with job_of(name, snakemake) as run:
    from anatomy.models.imports import without_unused
    from anatomy.serving.environment import prepare_environment

    prepare_environment(run.threads)
    from anatomy.interventions.variant import merged
    from anatomy.recipes.asked_variants import engine_variants, target_modules
    from anatomy.stages.inputs import named_files
    from anatomy.stages.model_edits import ModelEdits

    with without_unused():
        from anatomy.stages.evaluate import evaluate
    from anatomy.stages.phase import phase_variants
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_json, write_json, write_table

    model, wildcards = sound_model(snakemake.input.model), snakemake.wildcards
    phase = phase_variants(
        engine_variants(run.config, run.subject, wildcards.phase),
        wildcards.phase,
        run.config.serving.buckets,
        int(wildcards.bucket),
        merged(map(read_json, named_files(snakemake.input)["found"])),
    )
    model_edits = ModelEdits(model, sound_extraction(snakemake.input.directions))
    tables = evaluate(
        run.config,
        run.subject,
        phase,
        model,
        model_edits,
        run.say,
        target_modules=target_modules(run.config),
        threads=run.threads,
        gpus=max(1, len(run.gpus)),
    )
    write_json(Path(snakemake.output.completions).with_suffix(".cells.json"), tables.pop("cells"))
    write_json(Path(snakemake.output.tasks), tables.pop("tasks"))
    for table, rows in tables.items():
        write_table(Path(snakemake.output[table]), rows)
