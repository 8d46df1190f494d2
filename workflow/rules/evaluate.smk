# Generation with vLLM and benchmarks with lm-eval: one engine serves every variant of a model in a phase.
from functools import cache


rule evaluate:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        foreign=lambda wildcards: foreign_files(wildcards.model, "foreign.json"),
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
        options=lambda wildcards: evaluated_with(wildcards.model, wildcards.phase),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=lambda wildcards: [
            stage_fingerprint("evaluate"),
            *(code_of(CHOSEN[name].engine[wildcards.phase]) for name in asking(wildcards.model, wildcards.phase)),
        ],
    script:
        "../scripts/evaluate.py"


# How far each variant of the test split moves predictions on harmless prompts, in memory.
rule divergence:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        foreign=lambda wildcards: foreign_files(wildcards.model, "foreign.json"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
        found=lambda wildcards: found_by_papers(wildcards.model, "test"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.evaluation.benign]),
    output:
        table=AT.stage("divergence", "{model}", "test.parquet"),
    log:
        AT.stage("divergence", "{model}", "job.log"),
    benchmark:
        AT.stage("divergence", "{model}", "job.tsv")
    priority: 10
    threads: threads_of("divergence")
    resources:
        **needs("divergence"),
    params:
        options=lambda wildcards: {**evaluated_with(wildcards.model, "test"), **options(CONFIG, "divergence")},
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=lambda wildcards: [
            stage_fingerprint("divergence"),
            *(code_of(CHOSEN[name].engine["test"]) for name in asking(wildcards.model, "test")),
        ],
    script:
        f"{SCRIPTS}/divergence.py"


@cache
def asking(model, phase):
    """Papers of the run that ask the engine something of a model in a phase."""
    subject = SUBJECTS[model]
    return [name for name, paper in CHOSEN.items() if phase in paper.engine and paper.engine[phase](CONFIG, subject)]


@cache
def evaluated_with(model, phase):
    """Options of what is asked of a model in a phase."""
    return asked_options(CONFIG, asking(model, phase), SUBJECTS[model])


def found_by_papers(model, phase):
    """What searches and makers of edits leave for a phase, of every paper of the run."""
    return [file for name in asking(model, phase) for file in CHOSEN[name].found(CONFIG, SUBJECTS[model], phase)]


def buckets(model, phase, table, suffix="parquet"):
    """All parts of a table of the evaluation."""
    return [AT.stage("evaluate", model, f"{phase}.{bucket}.{table}.{suffix}") for bucket in range(CONFIG.serving.buckets)]
