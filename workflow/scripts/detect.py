"""Every continuation of a pass scored by every detector."""

from pathlib import Path

from anatomy.stages.job import job_of

with job_of(f"detect {snakemake.wildcards.model} {snakemake.wildcards.pass_}", snakemake) as run:
    import torch

    from anatomy.stages.card import read_card
    from anatomy.stages.detect import detect
    from anatomy.stages.inputs import named_files
    from anatomy.store.files import read_table, write_json, write_table

    torch.set_num_threads(snakemake.threads)
    files = named_files(snakemake.input)
    completions = read_table(files["completions"][0])
    table, cells = detect(run.config, [read_card(card) for card in files["scorers"]], completions, run.say)
    out = Path(snakemake.output.table)
    write_json(out.with_suffix(".cells.json"), cells)
    write_table(out, table)
