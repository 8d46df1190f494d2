"""What a model answers by itself on the splits fit and select, and the tokens that its refusals begin with."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"answers {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.own_answers import own_answers
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import write_json, write_table

    torch.set_num_threads(run.threads)
    fallback = snakemake.input.get("fallback")
    model = sound_model(snakemake.input.model)
    answers, tokens = own_answers(run.config, run.subject, model, Path(fallback) if fallback else None, run.say)
    write_table(Path(snakemake.output.completions), answers)
    write_json(Path(snakemake.output.refusal_tokens), tokens)
