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
        code=[stage_fingerprint("pick"), stage_fingerprint("adapters")],
    script:
        "../scripts/pick.py"


# The signature's ablation as an edit of weights, against the hooks it stands for.
rule signature_weights:
    input:
        model=AT.model("{model}"),
        signature=AT.stage("extract", "{model}", "signature.json"),
        selected=AT.stage("localize", "{model}", "signature.json"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
    output:
        table=AT.stage("edit", "{model}", "signature_weights.parquet"),
    log:
        AT.stage("edit", "{model}", "signature_weights.log"),
    threads: threads_of("signature_weights")
    resources:
        **needs("signature_weights"),
    params:
        options=options(CONFIG, "pasta", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("signature_weights"),
    script:
        "../scripts/signature_weights.py"
