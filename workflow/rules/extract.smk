# One pass a prompt set: mean activations of every layer at every template position.


rule extract:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        card=AT.stage("extract", "{model}", "card.json"),
    params:
        options=options(CONFIG, "extraction", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=stage_fingerprint("extract"),
    priority: 30
    threads: threads_of("extract")
    resources:
        **needs("extract"),
    log:
        AT.stage("extract", "{model}", "job.log"),
    benchmark:
        AT.stage("extract", "{model}", "job.tsv")
    script:
        "../scripts/extract.py"
