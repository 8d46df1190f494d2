"""Detection, affinity, diversity, style, quality and safety of a pair's texts, in one table."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"text measures {snakemake.wildcards.model}", snakemake) as run:
    import pandas as pd
    import torch

    from anatomy.stages.inputs import named_files
    from anatomy.stages.soundness import sound_model
    from anatomy.stages.text_measures import PairTables, text_measures
    from anatomy.store.files import read_json, read_table, write_table
    from anatomy.texts.diversity.style_markers import GENERAL, planted_markers

    torch.set_num_threads(snakemake.threads)
    files = named_files(snakemake.input)
    names = ("completions", "variants", "fit", "judgements", "detectors", "samples")
    pairwise = read_table(files["pairwise"][0]) if files["pairwise"] else None
    tables = PairTables(**{name: pd.concat(map(read_table, files[name]), ignore_index=True) for name in names}, pairwise=pairwise)
    markers = planted_markers(read_json(files["world"][0].parent / "truth.json")) if files["world"] else GENERAL
    found = text_measures(run.config, run.subject, tables, sound_model(files["base"][0]), markers, run.say)
    for name, table in found.items():
        write_table(Path(snakemake.output[name]), table)
