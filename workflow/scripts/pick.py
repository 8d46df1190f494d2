"""The pick of every search of a model."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"pick {snakemake.wildcards.model}", snakemake) as run:
    import pandas as pd

    from anatomy.stages.adapters import keep_adapters
    from anatomy.stages.model_edits import ModelEdits
    from anatomy.stages.pick import pick_all
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_json, read_table, write_json, write_table

    selected, table = pick_all(
        run.config,
        run.subject,
        read_json(Path(snakemake.input.shortlist)),
        read_table(Path(snakemake.input.judgements)),
        pd.concat([read_table(Path(path)) for path in snakemake.input.variants]),
        pd.concat([read_table(Path(path)) for path in snakemake.input.samples]),
        {entry["task"]: entry["metric"] for path in snakemake.input.tasks for entry in read_json(Path(path))},
    )
    write_table(Path(snakemake.output.table), table)
    model_edits = ModelEdits(sound_model(snakemake.input.model), sound_extraction(snakemake.input.directions))
    write_json(
        Path(snakemake.output.adapters),
        keep_adapters(run.config, run.subject, model_edits, selected, table, Path(snakemake.output.selected).parent / "adapters"),
    )
    write_json(Path(snakemake.output.selected), selected)
