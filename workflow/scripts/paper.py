"""A job of a paper's own: the module that its rule names does it."""

from importlib import import_module

from anatomy.runs.job import job_of

with job_of(" ".join([snakemake.rule.replace("_", " "), *snakemake.wildcards]), snakemake) as run:
    import_module(snakemake.params.module).run(run, snakemake)
