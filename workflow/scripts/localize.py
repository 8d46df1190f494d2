"""The selection grid of a model's candidate directions, and the direction that the published rule picks."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"localize {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.localize import localize
    from anatomy.stages.own_answers import read_refusal_tokens
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import write_json, write_table

    torch.set_num_threads(run.threads)
    model, extracted = sound_model(snakemake.input.model), sound_extraction(snakemake.input.directions)
    tokens = read_refusal_tokens(Path(snakemake.input.refusal_tokens))
    grid, selected = localize(run.config, run.subject, model, extracted, tokens, run.say)
    write_table(Path(snakemake.output.grid), grid)
    write_json(Path(snakemake.output.selected), selected)
