"""The signature of a pair: contrasts, controls, geometry, writers."""

from pathlib import Path

from anatomy.stages.job import job

with job(f"signature {snakemake.wildcards.model}", snakemake.log[0], snakemake.params.options,
         threads=snakemake.threads) as run:
    import torch

    from anatomy.recipes.pasta.pairs import pairs
    from anatomy.stages.card import read_card
    from anatomy.stages.signature import extract_signature
    from anatomy.store.files import read_table

    torch.set_num_threads(snakemake.threads)
    pair = next(pair for pair in pairs(run.config) if pair.aligned.id == snakemake.wildcards.model)
    roles = [role for role in ("aligned", "base", "null") if snakemake.input.get(role)]
    extract_signature(run.config, pair, {role: read_card(snakemake.input[role]) for role in roles},
                      {role: read_table(Path(snakemake.input[f"{role}_generated"])) for role in roles},
                      Path(snakemake.output.card), run.say)
