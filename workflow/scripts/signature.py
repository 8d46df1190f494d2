"""The signature of a pair: contrasts, controls, geometry, writers."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"signature {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.config.study import Subject
    from anatomy.interventions.directions.candidates import load_directions
    from anatomy.stages.card import read_card
    from anatomy.stages.signature import extract_signature
    from anatomy.store.files import read_table

    torch.set_num_threads(snakemake.threads)
    subjects = {role: Subject(**values) for role, values in snakemake.params.subjects.items()}
    roles = list(subjects)
    refusal = Path(snakemake.input.refusal).parent / subjects["aligned"].contrasts[0] / "directions.safetensors"
    extract_signature(
        run.config,
        subjects,
        {role: read_card(snakemake.input[role]) for role in roles},
        {role: read_table(Path(snakemake.input[f"{role}_generated"])) for role in roles},
        load_directions(refusal),
        Path(snakemake.output.card),
        run.say,
    )
