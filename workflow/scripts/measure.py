"""Interventions in memory on the test split, and projections before and after the picks."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"measure {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.measure import measure
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(snakemake.threads)
    tables = measure(
        run.config,
        run.subject,
        sound_model(snakemake.input.model),
        sound_extraction(snakemake.input.directions),
        read_json(Path(snakemake.input.direction)),
        read_json(Path(snakemake.input.picks)),
        run.say,
    )
    write_json(Path(snakemake.output.completions).with_suffix(".cells.json"), tables.pop("cells"))
    for table, rows in tables.items():
        write_table(Path(snakemake.output[table]), rows)
