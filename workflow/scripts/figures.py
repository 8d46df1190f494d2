"""Every figure and table of a paper."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"figures of {snakemake.params.paper}", snakemake) as run:
    from anatomy.recipes.registry import known
    from anatomy.stages.draw import draw_all
    from anatomy.stages.inputs import named_files

    paper, folder = known(snakemake.config["recipes"])[snakemake.params.paper], Path(snakemake.params.folder)
    draw_all(
        paper.report,
        run.config,
        named_files(snakemake.input),
        paper.plans(run.config),
        folder / "figures",
        folder / "tables",
        paper.tables,
        paper.printed,
        run.say,
    )
