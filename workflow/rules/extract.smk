# One pass a prompt set: mean activations of every layer at every template position.


rule extract:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        card=AT.stage("extract", "{model}", "card.json"),
    log:
        AT.stage("extract", "{model}", "job.log"),
    benchmark:
        AT.stage("extract", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("extract")
    resources:
        **needs("extract"),
    params:
        options=options(CONFIG, "extraction", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=stage_fingerprint("extract"),
    script:
        "../scripts/extract.py"


# The signature of a pair: teacher-forced contrasts over generations of the fit split.
rule signature:
    input:
        unpack(lambda wildcards: pair_inputs(wildcards.model)),
        refusal=AT.stage("extract", "{model}", "card.json"),
        prompts=lambda wildcards: [table for model in PAIRS[wildcards.model].roles.values() for table in prefix_tables(model)],
    output:
        card=AT.stage("extract", "{model}", "signature.json"),
        geometry=AT.stage("extract", "{model}", "geometry.parquet"),
        writers=AT.stage("extract", "{model}", "writers.parquet"),
    log:
        AT.stage("extract", "{model}", "signature.log"),
    benchmark:
        AT.stage("extract", "{model}", "signature.tsv")
    priority: 30
    threads: threads_of("signature")
    resources:
        **needs("signature"),
    params:
        options=options(CONFIG, "pasta", "evaluation", "results"),
        subjects=lambda wildcards: {role: vars(EVERYONE[model]) for role, model in PAIRS[wildcards.model].roles.items()},
        code=stage_fingerprint("signature"),
    script:
        "../scripts/signature.py"


def pair_inputs(model):
    """Cards of a pair's models, and what they generated from the fit split."""
    found = {}
    for role, name in PAIRS[model].roles.items():
        found[role] = AT.model(name)
        found[f"{role}_generated"] = AT.stage("generate", name, "pasta.fit.completions.parquet")
    return found
