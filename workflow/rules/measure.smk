# Interventions: what happens without the direction, and what moves along it. Nothing edited is written.


rule measure:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        picks=AT.stage("edit", "{model}", "selected.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
    output:
        completions=AT.stage("measure", "{model}", "completions.parquet"),
        variants=AT.stage("measure", "{model}", "variants.parquet"),
        projections=AT.stage("measure", "{model}", "projections.parquet"),
    log:
        AT.stage("measure", "{model}", "job.log"),
    benchmark:
        AT.stage("measure", "{model}", "job.tsv")
    priority: 10
    threads: threads_of("measure")
    resources:
        **needs("measure"),
    params:
        options=options(CONFIG, "extraction", "selection", "rosi", "evaluation", "benchmarks", "serving", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=stage_fingerprint("measure"),
    script:
        "../scripts/measure.py"
