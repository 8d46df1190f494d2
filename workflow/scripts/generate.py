"""What a paper asks of a model in a phase: unedited, and under interventions in memory."""

from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

paper, wildcards = snakemake.params.paper, snakemake.wildcards
with job_of(f"{paper} {wildcards.model} {wildcards.phase}", snakemake) as run:
    import torch

    from anatomy.recipes.asked_variants import asked_in_memory
    from anatomy.recipes.registry import known
    from anatomy.stages.generate import generate
    from anatomy.stages.inputs import named_files
    from anatomy.stages.model_edits import ModelEdits
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(run.threads)
    recipe = known(snakemake.config["recipes"])[paper]
    found = {name: one for file in named_files(snakemake.input).get("found", []) for name, one in read_json(file).items()}
    asked = asked_in_memory(run.config, recipe, run.subject, wildcards.phase, found)
    model = sound_model(snakemake.input.model)
    model_edits = ModelEdits(model, Path(run.at.stage("extract", wildcards.model, "")))
    speaking = import_module(recipe.speaking).speaking
    spoken = speaking(run.config, run.subject, model, wildcards.phase)
    tables = generate(run.config, run.subject, model, asked, wildcards.phase, model_edits, spoken, run.say)
    write_json(Path(snakemake.output.completions).with_suffix(".cells.json"), tables.pop("cells"))
    for table, rows in tables.items():
        write_table(Path(snakemake.output[table]), rows)
