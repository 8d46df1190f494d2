"""Every continuation of a pass scored by every detector."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"detect {snakemake.wildcards.model} {snakemake.wildcards.pass_}", snakemake) as run:
    import pandas as pd
    import torch

    from anatomy.stages.detect import detect
    from anatomy.stages.inputs import named_files
    from anatomy.stages.instruments import family_instruments, fitting_texts, own_instruments
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_table, write_json, write_table

    torch.set_num_threads(snakemake.threads)
    files, organism, pasta = named_files(snakemake.input), run.subject.is_organism, run.config.pasta
    aligned, humans = (pd.concat(map(read_table, files[name]), ignore_index=True) for name in ("fit_aligned", "fit_humans"))
    texts = fitting_texts(run.config, aligned, humans, organism)
    cards = [sound_model(card) for card in files["scorers"]]
    if organism:
        instruments = family_instruments(run.config, cards, texts)
    else:
        names = pasta.own_detectors if snakemake.wildcards.pass_ == "pasta.test" else pasta.selecting(False)
        options = {name: pasta.own_detectors[name] for name in names}
        instruments = own_instruments(options, {card["id"]: card for card in cards}, texts, run.say)
    table, cells = detect(run.config, run.subject, instruments, read_table(files["completions"][0]), run.say)
    out = Path(snakemake.output.table)
    write_json(out.with_suffix(".cells.json"), cells)
    write_table(out, table)
