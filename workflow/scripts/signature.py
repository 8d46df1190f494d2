"""The signature of a pair: contrasts, controls, geometry, writers."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"signature {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.config.study import Subject
    from anatomy.stages.direction_book import DirectionBook
    from anatomy.stages.signature import extract_signature
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_table

    torch.set_num_threads(snakemake.threads)
    subjects = {role: Subject(**values) for role, values in snakemake.params.subjects.items()}
    roles = list(subjects)
    refusal = DirectionBook(sound_extraction(snakemake.input.refusal)).candidates(subjects["aligned"].contrasts[0])
    extract_signature(
        run.config,
        subjects,
        {role: sound_model(snakemake.input[role]) for role in roles},
        {role: read_table(Path(snakemake.input[f"{role}_generated"])) for role in roles},
        refusal,
        Path(snakemake.output.card),
        run.say,
    )
