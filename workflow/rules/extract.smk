# One pass a prompt set: mean activations of every layer at every template position.


rule extract:
    input:
        foreign=lambda wildcards: [ancient(file) for file in foreign_files(wildcards.model, "foreign.checked.json")],
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
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model].without_foreign),
        controls=lambda wildcards: drawn_controls(CONFIG, SUBJECTS[wildcards.model]).model_dump(),
        code=stage_fingerprint("extract"),
    script:
        "../scripts/extract.py"


def foreign_files(model, name):
    """A file about the directions that other tools made for a model, where the configuration has some."""
    return [AT.stage("extract", model, name)] if SUBJECTS[model].foreign else []


def foreign_inputs(wildcards):
    return [CONFIG.directions[name].file for name in SUBJECTS[wildcards.model].foreign]


# Whether directions of other tools fit a model at all, before anything is computed of it.
rule check_directions:
    input:
        model=AT.model("{model}"),
        files=foreign_inputs,
    output:
        checked=AT.stage("extract", "{model}", "foreign.checked.json"),
    log:
        AT.stage("extract", "{model}", "foreign.checked.log"),
    priority: 40
    localrule: True
    params:
        options=options(CONFIG, *PAPERS, "recipes", "selection", "results"),
        names=lambda wildcards: list(SUBJECTS[wildcards.model].foreign),
        made_by=lambda wildcards: [CONFIG.directions[name].made_by for name in SUBJECTS[wildcards.model].foreign],
        code=stage_fingerprint("foreign_directions"),
    script:
        "../scripts/foreign_directions.py"


# Beside the model's own directions, as long as these are and on their side.
use rule check_directions as foreign_directions with:
    input:
        model=AT.model("{model}"),
        files=foreign_inputs,
        directions=AT.stage("extract", "{model}", "card.json"),
    output:
        card=AT.stage("extract", "{model}", "foreign.json"),
    log:
        AT.stage("extract", "{model}", "foreign.log"),
    params:
        options=options(CONFIG, "results"),
        names=lambda wildcards: list(SUBJECTS[wildcards.model].foreign),
        made_by=lambda wildcards: [CONFIG.directions[name].made_by for name in SUBJECTS[wildcards.model].foreign],
        contrast=lambda wildcards: SUBJECTS[wildcards.model].contrasts[0],
        code=stage_fingerprint("foreign_directions"),
