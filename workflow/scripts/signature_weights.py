"""The gap between the signature's ablation by weights and by hooks."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"signature weights {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.edit_book import EditBook
    from anatomy.stages.signature_weights import weight_gaps
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_json, write_table

    torch.set_num_threads(snakemake.threads)
    model = sound_model(snakemake.input.model)
    book = EditBook(model, sound_extraction(snakemake.input.signature))
    write_table(
        Path(snakemake.output.table),
        weight_gaps(run.config, run.subject, model, book, read_json(Path(snakemake.input.selected)), run.say),
    )
