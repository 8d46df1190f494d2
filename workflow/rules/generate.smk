# What a paper asks of a model in a phase, in memory: texts of the unedited model, and under interventions on activations. No paper
# generates by these rules as they stand: rules/papers/<paper>.smk says what each reads, and after which search.


rule generate:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
    output:
        completions=AT.stage("generate", "{model}", "{paper}.{phase}.completions.parquet"),
        variants=AT.stage("generate", "{model}", "{paper}.{phase}.variants.parquet"),
    log:
        AT.stage("generate", "{model}", "{paper}.{phase}.log"),
    benchmark:
        AT.stage("generate", "{model}", "{paper}.{phase}.tsv")
    wildcard_constraints:
        paper=NOBODY,
        phase="fit|select|test",
    priority: 20
    threads: threads_of("generate")
    resources:
        **needs("generate"),
    params:
        paper="",
        options={},
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("generate"),
    script:
        f"{SCRIPTS}/generate.py"


# Benchmarks under the same interventions.
rule hooked_benchmarks:
    input:
        model=AT.model("{model}"),
        world=lambda wildcards: world_of(wildcards.model),
    output:
        samples=AT.stage("generate", "{model}", "{paper}.test.samples.parquet"),
    log:
        AT.stage("generate", "{model}", "{paper}.test.samples.log"),
    benchmark:
        AT.stage("generate", "{model}", "{paper}.test.samples.tsv")
    wildcard_constraints:
        paper=NOBODY,
    priority: 20
    threads: threads_of("hooked_benchmarks")
    resources:
        **needs("hooked_benchmarks"),
    params:
        paper="",
        items_=0,
        options={},
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("hooked_benchmarks"),
    script:
        f"{SCRIPTS}/hooked_benchmarks.py"


def in_memory_params(name, stage, *sections):
    """Parameters of a paper's use of a stage in memory: its options, and the code of the stage, of what it asks and how it speaks."""
    paper = PAPERS[name]
    spoken = () if paper.speaking.startswith(f"anatomy.recipes.{name}.") else ("extraction",)
    return {
        "paper": name,
        "options": options(CONFIG, "seeds", "organism", "models", name, *spoken, "evaluation", "serving", "results", *sections),
        "subject": lambda wildcards: vars(EVERYONE[wildcards.model]),
        "code": [stage_fingerprint(stage), code_of(paper.in_memory), code_of(paper.speaking)],
    }
