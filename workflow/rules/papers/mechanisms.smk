# The mechanism battery, for every model that is looked into:
#   extract → answers → localize (the direction) → mechanisms_look (every instrument, one model in memory) → claims, figures, page
#   … → mechanisms_circuits (paths of heads, a learned subspace: chosen on fit pairs, read on test pairs) → claims, figures, page
# extract, answers, localize and the report are as every paper's (rules/*.smk).
rule mechanisms_look:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        probes=AT.stage("measure", "{model}", "mechanisms.probes.parquet"),
        lens=AT.stage("measure", "{model}", "mechanisms.lens.parquet"),
        patching=AT.stage("measure", "{model}", "mechanisms.patching.parquet"),
        direct=AT.stage("measure", "{model}", "mechanisms.direct.parquet"),
        attention=AT.stage("measure", "{model}", "mechanisms.attention.parquet"),
        steering=AT.stage("measure", "{model}", "mechanisms.steering.parquet"),
        picked=AT.stage("measure", "{model}", "mechanisms.picked.parquet"),
    log:
        AT.stage("measure", "{model}", "mechanisms.log"),
    benchmark:
        AT.stage("measure", "{model}", "mechanisms.tsv")
    priority: 10
    threads: threads_of("mechanisms_look")
    resources:
        **needs("mechanisms_look"),
    params:
        options=options(CONFIG, "mechanisms", "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.mechanisms.jobs.look",
        code=stage_fingerprint("anatomy.recipes.mechanisms.jobs.look"),
    script:
        f"{SCRIPTS}/paper.py"


rule mechanisms_circuits:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        ranked=AT.stage("measure", "{model}", "mechanisms.ranked.parquet"),
        paths=AT.stage("measure", "{model}", "mechanisms.paths.parquet"),
        interchange=AT.stage("measure", "{model}", "mechanisms.interchange.parquet"),
    log:
        AT.stage("measure", "{model}", "mechanisms.circuits.log"),
    benchmark:
        AT.stage("measure", "{model}", "mechanisms.circuits.tsv")
    priority: 10
    threads: threads_of("mechanisms_circuits")
    resources:
        **needs("mechanisms_circuits"),
    params:
        options=options(CONFIG, "mechanisms", "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.mechanisms.jobs.circuits",
        code=stage_fingerprint("anatomy.recipes.mechanisms.jobs.circuits"),
    script:
        f"{SCRIPTS}/paper.py"
