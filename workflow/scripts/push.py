"""Upload of a finished export to the hub that the configuration names."""

from pathlib import Path

from anatomy.runs.job import job_of

name = f"push {snakemake.wildcards.model} {snakemake.wildcards.family}"
with job_of(name, snakemake) as run:
    from anatomy.interventions.export.push import push_folder, repository_name
    from anatomy.store.files import read_json, write_json

    push, record = run.config.export.push, read_json(Path(snakemake.input.record))
    repository = repository_name(push.hub, record["model"], record["family"])
    commit = push_folder(Path(record["folder"]), repository, private=push.private)
    write_json(Path(snakemake.output.pushed), {"repository": repository, "commit": commit, "digest": record["digest"]})
    run.say(f"uploaded to {commit}")
