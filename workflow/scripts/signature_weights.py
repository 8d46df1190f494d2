"""The gap between the signature's ablation by weights and by hooks."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"signature weights {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.card import read_card
    from anatomy.stages.model_edits import ModelEdits
    from anatomy.stages.signature_weights import weight_gaps
    from anatomy.store.files import read_json, write_table

    torch.set_num_threads(snakemake.threads)
    model = read_card(snakemake.input.model)
    model_edits = ModelEdits(model, Path(snakemake.input.signature).parent)
    write_table(
        Path(snakemake.output.table),
        weight_gaps(run.config, run.subject, model, model_edits, read_json(Path(snakemake.input.selected)), run.say),
    )
