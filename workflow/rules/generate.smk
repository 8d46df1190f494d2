# What a recipe asks of a model in a phase, in memory: texts of the unedited model, and under interventions on activations.


rule generate:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
        found=lambda wildcards: generated_after(wildcards.model, wildcards.phase),
    output:
        completions=AT.stage("generate", "{model}", "{recipe}.{phase}.completions.parquet"),
        variants=AT.stage("generate", "{model}", "{recipe}.{phase}.variants.parquet"),
    log:
        AT.stage("generate", "{model}", "{recipe}.{phase}.log"),
    benchmark:
        AT.stage("generate", "{model}", "{recipe}.{phase}.tsv")
    wildcard_constraints:
        recipe="pasta",
        phase="fit|select|test",
    priority: 20
    threads: threads_of("generate")
    resources:
        **needs("generate"),
    params:
        options=options(CONFIG, "seeds", "organism", "models", "pasta", "evaluation", "serving", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        humans=lambda wildcards: bool({"base", "scorer"} & roles(CONFIG, wildcards.model)),
        code=stage_fingerprint("generate"),
    script:
        "../scripts/generate.py"


# Benchmarks under the same interventions, of the picks and the orthogonal directions.
rule hooked_benchmarks:
    input:
        model=AT.model("{model}"),
        world=lambda wildcards: [AT.world(EVERYONE[wildcards.model].seed)] if EVERYONE[wildcards.model].is_organism else [],
        found=AT.stage("localize", "{model}", "signature.json"),
    output:
        samples=AT.stage("generate", "{model}", "pasta.test.samples.parquet"),
    log:
        AT.stage("generate", "{model}", "pasta.test.samples.log"),
    benchmark:
        AT.stage("generate", "{model}", "pasta.test.samples.tsv")
    priority: 20
    threads: threads_of("hooked_benchmarks")
    resources:
        **needs("hooked_benchmarks"),
    params:
        options=options(CONFIG, "seeds", "organism", "models", "pasta", "evaluation", "benchmarks", "serving", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("hooked_benchmarks"),
    script:
        "../scripts/hooked_benchmarks.py"


def generated_after(model, phase):
    """What a search has to have found before an aligned model generates: nothing, its signature, its layers."""
    if model not in PAIRS or phase == "fit":
        return []
    files = {"select": AT.stage("extract", model, "signature.json"), "test": AT.stage("localize", model, "signature.json")}
    return files[phase]
