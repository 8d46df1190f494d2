# Statistics, claims, figures, tables and the page: they never need a model.


def everything(stage_file):
    """One file of a stage for every model."""
    return [f"{CONFIG.results}/{stage_file.format(model=model)}" for model in SUBJECTS]


def all_buckets(phase, table):
    return [file for model in SUBJECTS for file in buckets(model, phase, table)]


rule claims:
    input:
        judgements=everything("judge/{model}/test.parquet") + everything("judge/{model}/measure.parquet"),
        samples=all_buckets("test", "samples"),
        tasks=[file.replace(".samples.parquet", ".tasks.json") for file in all_buckets("test", "samples")],
        variants=all_buckets("test", "variants") + everything("measure/{model}/variants.parquet"),
        grid=everything("localize/{model}/grid.parquet"),
        screen=everything("localize/{model}/screen.parquet"),
        projections=everything("measure/{model}/projections.parquet"),
    output:
        ledger=f"{CONFIG.results}/claims/ledger.csv",
        table=f"{CONFIG.results}/claims/ledger.parquet",
    params:
        options=options(CONFIG, *CONFIG.__class__.model_fields),
        code=stage_fingerprint("claims"),
    log:
        f"{CONFIG.results}/claims/job.log",
    script:
        "../scripts/claims.py"
