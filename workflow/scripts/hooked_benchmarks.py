"""Benchmarks of the unedited model and of interventions on its activations."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"benchmarks {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.recipes.registry import asked_in_memory
    from anatomy.stages.edit_book import EditBook
    from anatomy.stages.hooked_benchmarks import hooked_benchmarks
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(snakemake.threads)
    model = sound_model(snakemake.input.model)
    asked = asked_in_memory(run.config, "pasta", run.subject, "test", read_json(Path(snakemake.input.found)))
    book = EditBook(model, Path(run.at.stage("extract", snakemake.wildcards.model, "")))
    table, cells = hooked_benchmarks(run.config, run.subject, model, asked, book, run.say)
    out = Path(snakemake.output.samples)
    write_json(out.with_suffix(".cells.json"), cells)
    write_table(out, table)
