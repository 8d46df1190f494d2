# The mechanism battery, for every model that is looked into:
#   extract → answers → localize (the direction) → mechanisms_look (every instrument, one model in memory) → claims, figures, page
#   … → mechanisms_circuits (paths of heads, a learned subspace: chosen on fit pairs, read on test pairs) → claims, figures, page
# extract, answers, localize and the report are as every paper's (rules/*.smk).
def instrument_prompts(model):
    """Tables of the prompts that a model's instruments learn from and are tested on."""
    from anatomy.recipes.mechanisms.prompts_read import sets_read

    return prompt_tables(model, sorted(set().union(*sets_read(CONFIG).values())))


rule mechanisms_look:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        answers=AT.stage("answers", "{model}", "completions.parquet"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        vectors=AT.stage("measure", "{model}", "mechanisms.vectors.parquet"),
        prompts=lambda wildcards: instrument_prompts(wildcards.model),
    output:
        probes=AT.stage("measure", "{model}", "mechanisms.probes.parquet"),
        probe_places=AT.stage("measure", "{model}", "mechanisms.probe_places.parquet"),
        lens=AT.stage("measure", "{model}", "mechanisms.lens.parquet"),
        lens_tokens=AT.stage("measure", "{model}", "mechanisms.lens_tokens.parquet"),
        patching=AT.stage("measure", "{model}", "mechanisms.patching.parquet"),
        direct=AT.stage("measure", "{model}", "mechanisms.direct.parquet"),
        attention=AT.stage("measure", "{model}", "mechanisms.attention.parquet"),
        steering=AT.stage("measure", "{model}", "mechanisms.steering.parquet"),
        modes=AT.stage("measure", "{model}", "mechanisms.modes.parquet"),
        suppression=AT.stage("measure", "{model}", "mechanisms.suppression.parquet"),
        steered_answers=AT.stage("measure", "{model}", "mechanisms.steered_answers.parquet"),
        layer_steering=AT.stage("measure", "{model}", "mechanisms.layer_steering.parquet"),
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
        prompts=lambda wildcards: instrument_prompts(wildcards.model),
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


def neighbours_of(model):
    """The base of a model, where the run has it, and files of the run's other papers that name directions of the model."""
    from anatomy.recipes.mechanisms.neighbours import base_of, files_of_others

    base = base_of(CONFIG, EVERYONE[model])
    return {**({} if base is None else {"base": AT.model(base.id)}), **files_of_others(CONFIG, EVERYONE[model])}


# Directions of a model beside those of its base and of the run's other papers.
rule mechanisms_geometry:
    input:
        unpack(lambda wildcards: neighbours_of(wildcards.model)),
        model=AT.model("{model}"),
        answers=AT.stage("answers", "{model}", "completions.parquet"),
        directions=AT.stage("extract", "{model}", "card.json"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        prompts=lambda wildcards: instrument_prompts(wildcards.model),
    output:
        angles=AT.stage("measure", "{model}", "mechanisms.angles.parquet"),
        shifts=AT.stage("measure", "{model}", "mechanisms.shifts.parquet"),
        ranks=AT.stage("measure", "{model}", "mechanisms.ranks.parquet"),
        stability=AT.stage("measure", "{model}", "mechanisms.stability.parquet"),
        kinds=AT.stage("measure", "{model}", "mechanisms.kinds.parquet"),
        kind_controls=AT.stage("measure", "{model}", "mechanisms.kind_controls.parquet"),
        spaces=AT.stage("measure", "{model}", "mechanisms.spaces.parquet"),
        vectors=AT.stage("measure", "{model}", "mechanisms.vectors.parquet"),
        transplants=AT.stage("measure", "{model}", "mechanisms.transplants.parquet"),
        moved=AT.stage("measure", "{model}", "mechanisms.moved.parquet"),
    log:
        AT.stage("measure", "{model}", "mechanisms.geometry.log"),
    benchmark:
        AT.stage("measure", "{model}", "mechanisms.geometry.tsv")
    priority: 10
    threads: threads_of("mechanisms_geometry")
    resources:
        **needs("mechanisms_geometry"),
    params:
        options=options(CONFIG, "mechanisms", "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.mechanisms.jobs.geometry",
        code=stage_fingerprint("anatomy.recipes.mechanisms.jobs.geometry"),
    script:
        f"{SCRIPTS}/paper.py"


# A sparse autoencoder on one layer, from the model's own answers; its features beside the directions.
rule mechanisms_features:
    input:
        model=AT.model("{model}"),
        answers=AT.stage("answers", "{model}", "completions.parquet"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
        vectors=AT.stage("measure", "{model}", "mechanisms.vectors.parquet"),
        prompts=lambda wildcards: instrument_prompts(wildcards.model),
        autoencoder=[] if CONFIG.mechanisms.features is None else (CONFIG.mechanisms.features.file or []),
    output:
        fidelity=AT.stage("measure", "{model}", "mechanisms.fidelity.parquet"),
        spliced=AT.stage("measure", "{model}", "mechanisms.spliced.parquet"),
        feature_directions=AT.stage("measure", "{model}", "mechanisms.feature_directions.parquet"),
        cards=AT.stage("measure", "{model}", "mechanisms.cards.parquet"),
        feature_steering=AT.stage("measure", "{model}", "mechanisms.feature_steering.parquet"),
    log:
        AT.stage("measure", "{model}", "mechanisms.features.log"),
    benchmark:
        AT.stage("measure", "{model}", "mechanisms.features.tsv")
    priority: 10
    threads: threads_of("mechanisms_features")
    resources:
        **needs("mechanisms_features"),
    params:
        options=options(CONFIG, "mechanisms", "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.mechanisms.jobs.features",
        code=stage_fingerprint("anatomy.recipes.mechanisms.jobs.features"),
    script:
        f"{SCRIPTS}/paper.py"


def edits_of_others(model):
    """Edits that other papers of the run made of a model."""
    from anatomy.recipes.mechanisms.neighbours import edits_of_others

    return edits_of_others(CONFIG, EVERYONE[model])


# Facts patched and rewritten in memory.
rule mechanisms_facts:
    input:
        unpack(lambda wildcards: edits_of_others(wildcards.model)),
        model=AT.model("{model}"),
        world=lambda wildcards: world_of(wildcards.model),
        answers=AT.stage("answers", "{model}", "completions.parquet"),
        directions=AT.stage("extract", "{model}", "card.json"),
        direction=AT.stage("localize", "{model}", "selected.json"),
    output:
        fact_patches=AT.stage("measure", "{model}", "mechanisms.fact_patches.parquet"),
        fact_edits=AT.stage("measure", "{model}", "mechanisms.fact_edits.parquet"),
    log:
        AT.stage("measure", "{model}", "mechanisms.facts.log"),
    benchmark:
        AT.stage("measure", "{model}", "mechanisms.facts.tsv")
    priority: 10
    threads: threads_of("mechanisms_facts")
    resources:
        **needs("mechanisms_facts"),
    params:
        options=options(CONFIG, "mechanisms", "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.mechanisms.jobs.facts",
        code=stage_fingerprint("anatomy.recipes.mechanisms.jobs.facts"),
    script:
        f"{SCRIPTS}/paper.py"
