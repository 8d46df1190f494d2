"""Every completion of a pass whose text was kept, judged by one model."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"judge {snakemake.wildcards.model} {snakemake.wildcards.pass_} {snakemake.wildcards.judge}"
with job_of(name, snakemake) as run:
    import pandas as pd

    from anatomy.models.imports import without_unused
    from anatomy.serving.environment import prepare_environment

    prepare_environment(run.threads)
    with without_unused():
        from anatomy.stages.model_judge import judge_by_model
    from anatomy.stages.inputs import named_files
    from anatomy.stages.soundness import sound_judge
    from anatomy.store.files import read_table, write_json, write_table

    files = named_files(snakemake.input)
    completions = pd.concat([read_table(file) for file in files["completions"]], ignore_index=True)
    judged = judge_by_model(
        run.config,
        run.subject,
        snakemake.wildcards.judge,
        sound_judge(files["card"][0]),
        completions,
        run.say,
        threads=run.threads,
        gpus=max(1, len(run.gpus)),
    )
    table = Path(snakemake.output.table)
    write_json(table.with_suffix(".cells.json"), judged.cells)
    write_json(Path(snakemake.output.notes), judged.notes)
    write_table(table, judged.judgements)
