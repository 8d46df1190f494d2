"""The report of a run."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of("report", snakemake) as run:
    from anatomy.recipes.registry import known
    from anatomy.stages.inputs import named_files
    from anatomy.stages.page import Part, write_page
    from anatomy.store.files import read_table

    files, papers, parts = named_files(snakemake.input), known(snakemake.config["recipes"]), []
    for name in snakemake.params.papers:
        paper = papers[name]
        evidence = {part: [Path(file) for file in paths] for part, paths in paper.evidence(run.config).items()}
        figures = Path(run.config.results) / paper.place / "figures"
        parts.append(Part(name, paper.paper, paper.summary, paper.report, evidence, figures, paper.measured))
    write_page(run.config, parts, read_table(files["ledger"][0]), files["cards"], Path(snakemake.output.page))
    run.say(f"open {snakemake.output.page}")
