"""The verdicts of one paper."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"claims of {snakemake.params.paper}", snakemake) as run:
    from anatomy.recipes.registry import known
    from anatomy.stages.claims import judge_claims
    from anatomy.stages.inputs import named_files
    from anatomy.store.files import write_table

    paper = known(snakemake.config["recipes"])[snakemake.params.paper]
    ledger = judge_claims(paper.report, run.config, named_files(snakemake.input))
    write_table(Path(snakemake.output.table), ledger)
    run.say(", ".join(f"{count} {verdict}" for verdict, count in ledger["verdict"].value_counts().items()))
