"""Directions that another tool wrote, beside a model's own; or, before those are there, whether they fit the model at all."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"foreign directions {snakemake.wildcards.model}", snakemake) as run:
    from anatomy.stages.foreign_directions import fitting_vectors, place_foreign
    from anatomy.stages.inputs import named_files
    from anatomy.stages.model_directions import ModelDirections
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import write_json

    model, given = sound_model(snakemake.input.model), named_files(snakemake.input)
    found = dict(zip(snakemake.params.names, zip(given["files"], snakemake.params.made_by, strict=True), strict=True))
    if "directions" in given:
        own = ModelDirections(sound_extraction(snakemake.input.directions)).candidates(snakemake.params.contrast)
        card = place_foreign(found, model, own, Path(snakemake.output.card).parent, run.say)
        write_json(Path(snakemake.output.card), card)
    else:
        from anatomy.recipes.asked_variants import tried_at

        tried = tried_at(run.config, model["num_layers"])
        layers = {name: sorted(fitting_vectors(name, path, model, tried)) for name, (path, _) in found.items()}
        write_json(Path(snakemake.output.checked), {"model": model["digest"], "layers": layers})
