# Generation with vLLM and benchmarks with lm-eval: one engine serves every variant of a model in a phase.


rule evaluate:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        found=lambda wildcards: found_by_papers(wildcards.model, wildcards.phase),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
        benchmarks=lambda wildcards: [] if SUBJECTS[wildcards.model].is_organism else at_hand(missing_data.check_benchmarks),
    output:
        completions=AT.stage("evaluate", "{model}", "{phase}.{bucket}.completions.parquet"),
        samples=AT.stage("evaluate", "{model}", "{phase}.{bucket}.samples.parquet"),
        variants=AT.stage("evaluate", "{model}", "{phase}.{bucket}.variants.parquet"),
        tasks=AT.stage("evaluate", "{model}", "{phase}.{bucket}.tasks.json"),
    log:
        AT.stage("evaluate", "{model}", "{phase}.{bucket}.log"),
    benchmark:
        AT.stage("evaluate", "{model}", "{phase}.{bucket}.tsv")
    priority: 20
    threads: threads_of("evaluate")
    resources:
        **needs("evaluate"),
    params:
        options=options(CONFIG, *CHOSEN, "recipes", "extraction", "evaluation", "benchmarks", "serving", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=[stage_fingerprint("evaluate"), *(code_of(asks) for paper in CHOSEN.values() for asks in paper.engine.values())],
    script:
        "../scripts/evaluate.py"


def found_by_papers(model, phase):
    """What searches and makers of edits leave for a phase, of every paper of the run."""
    return [file for paper in CHOSEN.values() for file in paper.found(CONFIG, SUBJECTS[model], phase)]


def buckets(model, phase, table, suffix="parquet"):
    """All parts of a table of the evaluation."""
    return [AT.stage("evaluate", model, f"{phase}.{bucket}.{table}.{suffix}") for bucket in range(CONFIG.serving.buckets)]
