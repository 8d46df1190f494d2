"""A prompt set of your own: read, audited, split."""

from importlib import import_module
from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"prompts {snakemake.wildcards.set}", snakemake) as run:
    from anatomy.config.data import Data
    from anatomy.sources.registry.entry import Entry
    from anatomy.stages.prompt_set import prepare

    entry = snakemake.params.entry and Entry.model_validate(snakemake.params.entry)
    prepare(
        snakemake.wildcards.set,
        snakemake.params.source,
        Path(snakemake.output.table),
        run.say,
        phases=snakemake.params.phases,
        data=Data(folder=snakemake.params.folder),
        entry=entry,
        checks=[import_module(module).check for module in snakemake.params.checks],
    )
