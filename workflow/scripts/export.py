"""The pick of a family as a checkpoint outside results, if the gate lets it pass."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"export {snakemake.wildcards.model} {snakemake.wildcards.family}"
with job_of(name, snakemake) as run:
    from anatomy.stages.export import export_pick
    from anatomy.stages.inputs import named_files
    from anatomy.stages.kept_adapters import read_kept_adapters
    from anatomy.stages.soundness import sound_model
    from anatomy.store.files import read_table, write_json

    files = named_files(snakemake.input)
    done = export_pick(
        run.config,
        run.subject,
        snakemake.wildcards.family,
        sound_model(files.pop("model")[0]),
        read_kept_adapters(files.pop("adapters")[0]),
        files,
        read_table(files.pop("ledger")[0]),
        run.say,
    )
    write_json(Path(snakemake.output.record), done)
    run.say(f"exported to {done['folder']}")
