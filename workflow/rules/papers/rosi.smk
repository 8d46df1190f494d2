# ROSI, with the refusal direction under it, from prompt pairs to figures:
#   extract → answers → localize (the direction), screen (a shortlist of edits) → evaluate, judge (select) → pick
#   → evaluate, judge (test) → measure (with and without the direction) → judge → claims, figures, page
# extract, answers, localize, evaluate, judge and the report are as every paper's (rules/*.smk); three rules are its own.


# Which edits are worth generating with, by a cheap measure. Validation prompts only.
rule screen:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        foreign=lambda wildcards: foreign_files(wildcards.model, "foreign.json"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        screen=AT.stage("screen", "{model}", "screen.parquet"),
        shortlist=AT.stage("screen", "{model}", "shortlist.json"),
    log:
        AT.stage("screen", "{model}", "job.log"),
    benchmark:
        AT.stage("screen", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("screen")
    resources:
        **needs("screen"),
    params:
        options=options(CONFIG, "extraction", "selection", "rosi", "evaluation", "statistics", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        module="anatomy.recipes.rosi.jobs.screen",
        code=stage_fingerprint("anatomy.recipes.rosi.jobs.screen"),
    script:
        f"{SCRIPTS}/paper.py"


# The pick of every search, and the adapters of the methods' picks.
rule pick:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        foreign=lambda wildcards: foreign_files(wildcards.model, "foreign.json"),
        shortlist=AT.stage("screen", "{model}", "shortlist.json"),
        judgements=AT.stage("judge", "{model}", "select.parquet"),
        variants=lambda wildcards: buckets(wildcards.model, "select", "variants"),
        samples=lambda wildcards: buckets(wildcards.model, "select", "samples"),
        tasks=lambda wildcards: buckets(wildcards.model, "select", "tasks", "json"),
    output:
        selected=AT.stage("edit", "{model}", "selected.json"),
        table=AT.stage("edit", "{model}", "picks.parquet"),
        adapters=AT.stage("edit", "{model}", "adapters.json"),
    log:
        AT.stage("edit", "{model}", "job.log"),
    priority: 30
    resources:
        **needs("pick"),
    params:
        options=options(CONFIG, "rosi", "judges", "evaluation", "extraction", "statistics", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        module="anatomy.recipes.rosi.jobs.pick",
        code=stage_fingerprint("anatomy.recipes.rosi.jobs.pick"),
    script:
        f"{SCRIPTS}/paper.py"


# What happens without the direction, and what moves along it. Nothing edited is written.
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
        module="anatomy.recipes.rosi.jobs.measure",
        code=stage_fingerprint("anatomy.recipes.rosi.jobs.measure"),
    script:
        f"{SCRIPTS}/paper.py"
