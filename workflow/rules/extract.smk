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
        controls=lambda wildcards: drawn_controls(CONFIG, SUBJECTS[wildcards.model]).model_dump(),
        code=stage_fingerprint("extract"),
    script:
        "../scripts/extract.py"
