"""What a recipe asks of a model in a phase: unedited, and under interventions in memory."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"{snakemake.wildcards.recipe} {snakemake.wildcards.model} {snakemake.wildcards.phase}"
with job_of(name, snakemake) as run:
    import torch

    from anatomy.recipes.registry import asked_in_memory
    from anatomy.stages.edit_book import EditBook
    from anatomy.stages.generate import generate
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(snakemake.threads)
    wildcards, found = snakemake.wildcards, snakemake.input.get("found")
    asked = asked_in_memory(run.config, wildcards.recipe, run.subject, wildcards.phase, read_json(Path(found)) if found else {})
    model = sound_model(snakemake.input.model)
    book = EditBook(model, Path(run.at.stage("extract", wildcards.model, "")))
    tables = generate(run.config, run.subject, model, asked, wildcards.phase, book, snakemake.params.humans, run.say)
    write_json(Path(snakemake.output.completions).with_suffix(".cells.json"), tables.pop("cells"))
    for table, rows in tables.items():
        write_table(Path(snakemake.output[table]), rows)
