"""The card of a model under study."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of("model card", snakemake) as run:
    from anatomy.stages.card import write_model_card

    grown = Path(snakemake.input[0]) if snakemake.params.source is None else None
    made = {name: Path(snakemake.input[0]) if snakemake.params[name] else None for name in ("converted", "tuned")}
    write_model_card(
        run.subject,
        snakemake.params.source,
        grown,
        Path(snakemake.output.card),
        snakemake.params.sites,
        snakemake.params.mirror,
        snakemake.params.threads,
        run.say,
        inputs_at=snakemake.params.inputs_at,
        **made,
    )
