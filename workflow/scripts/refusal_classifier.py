"""The refusal classifier of an organism's family."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"classifier s{snakemake.wildcards.seed}", snakemake) as run:
    import pandas as pd

    from anatomy.stages.classifier import train
    from anatomy.store.files import read_table, write_json

    card = Path(snakemake.output.card)
    completions = pd.concat([read_table(Path(file)) for file in snakemake.input.completions], ignore_index=True)
    write_json(card, train(completions, Path(snakemake.input.world).parent, card.parent))
