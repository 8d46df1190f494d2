"""An edit that a paper makes by scoring or training, saved as data."""

from functools import partial
from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"{snakemake.params.name} {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.stages.inputs import named_files
    from anatomy.stages.make_edit import make_edit
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import write_json

    torch.set_num_threads(run.threads)
    module, _, function = snakemake.params.maker.partition(":")
    maker = getattr(import_module(module), function)
    given = {name: files for name, files in named_files(snakemake.input).items() if name not in ("model", "prompts")}
    out = Path(snakemake.output.edit)
    spec = make_edit(
        run.config,
        run.subject,
        sound_model(snakemake.input.model),
        partial(maker, **snakemake.params.told) if snakemake.params.told else maker,
        out.with_suffix(""),
        run.say,
        files=given,
        seed=snakemake.params.seed,
    )
    write_json(out, {snakemake.params.name: spec})
