"""Benchmarks of the unedited model and of interventions on its activations."""

from pathlib import Path

from anatomy.runs.job import job_of

paper, wildcards = snakemake.params.paper, snakemake.wildcards
with job_of(f"{paper} benchmarks {wildcards.model}", snakemake) as run:
    import torch

    from anatomy.recipes.asked_variants import asked_in_memory
    from anatomy.recipes.registry import known
    from anatomy.stages.hooked_benchmarks import hooked_benchmarks
    from anatomy.stages.model_edits import ModelEdits
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(run.threads)
    recipe = known(snakemake.config["recipes"])[paper]
    model = sound_model(snakemake.input.model)
    asked = asked_in_memory(run.config, recipe, run.subject, "test", read_json(Path(snakemake.input.found)))
    model_edits = ModelEdits(model, Path(run.at.stage("extract", wildcards.model, "")))
    table, cells = hooked_benchmarks(run.config, run.subject, model, asked, snakemake.params.items_, model_edits, run.say)
    out = Path(snakemake.output.samples)
    write_json(out.with_suffix(".cells.json"), cells)
    write_table(out, table)
