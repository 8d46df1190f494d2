"""The refusal direction of a model, and the shortlist of every search."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"localize {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.localize import localize
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import write_json, write_table

    torch.set_num_threads(snakemake.threads)
    fallback = snakemake.input.get("fallback")
    found = localize(
        run.config,
        run.subject,
        sound_model(snakemake.input.model),
        sound_extraction(snakemake.input.directions),
        Path(fallback) if fallback else None,
        run.say,
    )
    for name in ("grid", "screen", "completions"):
        write_table(Path(snakemake.output[name]), getattr(found, name))
    for name in ("selected", "shortlist", "refusal_tokens"):
        write_json(Path(snakemake.output[name]), getattr(found, name))
