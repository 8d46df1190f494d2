"""The card of a model judge."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"judge card {snakemake.wildcards.judge}", snakemake) as run:
    from anatomy.stages.judge_card import write_judge_card

    write_judge_card(
        snakemake.wildcards.judge, snakemake.params.judge, Path(snakemake.output.card), snakemake.params.mirror, run.say
    )
