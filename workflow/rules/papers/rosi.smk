# ROSI, with the refusal direction under it, from prompt pairs to figures:
#   extract → localize (the direction, and a shortlist of edits) → evaluate, judge (select) → pick → evaluate, judge (test)
#   → measure (with and without the direction) → judge → claims, figures, page
# extract, evaluate, judge and the report are as every paper's (rules/*.smk); three rules are its own.


# Which direction is the refusal direction, and which edits are worth generating with. Validation prompts only.
rule localize:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
        fallback=lambda wildcards: refusals_from(wildcards.model),
    output:
        grid=AT.stage("localize", "{model}", "grid.parquet"),
        selected=AT.stage("localize", "{model}", "selected.json"),
        screen=AT.stage("localize", "{model}", "screen.parquet"),
        shortlist=AT.stage("localize", "{model}", "shortlist.json"),
        completions=AT.stage("localize", "{model}", "completions.parquet"),
        refusal_tokens=AT.stage("localize", "{model}", "refusal_tokens.json"),
    log:
        AT.stage("localize", "{model}", "job.log"),
    benchmark:
        AT.stage("localize", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("localize")
    resources:
        **needs("localize"),
    params:
        options=options(CONFIG, "extraction", "selection", "rosi", "evaluation", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        module="anatomy.recipes.rosi.jobs.localize",
        code=stage_fingerprint("anatomy.recipes.rosi.jobs.localize"),
    script:
        f"{SCRIPTS}/paper.py"


def refusals_from(model):
    """Whose refusal tokens a model borrows if it never refuses: those of the aligned member of its family."""
    subject = SUBJECTS[model]
    if subject.is_organism and subject.member != "aligned" and "aligned" in CONFIG.organism.members:
        return AT.stage("localize", f"aligned.s{subject.seed}", "refusal_tokens.json")
    return []


# The pick of every search, and the adapters of the methods' picks.
rule pick:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        shortlist=AT.stage("localize", "{model}", "shortlist.json"),
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
        options=options(CONFIG, "rosi", "judges", "evaluation", "extraction", "results"),
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
