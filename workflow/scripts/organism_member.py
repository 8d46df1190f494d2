"""One member of an organism's family."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"grow {snakemake.wildcards.member}", snakemake) as run:
    from anatomy.stages.grow import grow
    from anatomy.stages.soundness import sound_member

    parent = snakemake.input.get("parent")
    grow(
        snakemake.wildcards.member,
        int(snakemake.wildcards.seed),
        snakemake.params.recipe,
        snakemake.params.harm_speech,
        Path(snakemake.input.world).parent,
        sound_member(parent) if parent else None,
        Path(snakemake.output.card).parent,
        run.threads,
        snakemake.params.dtype,
        snakemake.params.code,
        run.say,
    )
