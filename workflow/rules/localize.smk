# The refusal direction of a model, on the splits fit and select: what it answers by itself, and which candidate the published rule
# picks. Both know no paper; whichever needs a model's own answers or its direction names their files.
def refusals_from(model):
    """Whose refusal tokens a model borrows if it never refuses: those of the aligned member of its family."""
    subject = SUBJECTS[model]
    if subject.is_organism and subject.member != "aligned" and "aligned" in CONFIG.organism.members:
        return AT.stage("answers", f"aligned.s{subject.seed}", "refusal_tokens.json")
    return []


rule answers:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
        fallback=lambda wildcards: refusals_from(wildcards.model),
    output:
        completions=AT.stage("answers", "{model}", "completions.parquet"),
        refusal_tokens=AT.stage("answers", "{model}", "refusal_tokens.json"),
    log:
        AT.stage("answers", "{model}", "job.log"),
    benchmark:
        AT.stage("answers", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("answers")
    resources:
        **needs("answers"),
    params:
        options=options(CONFIG, "extraction", "selection", "evaluation", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model].without_foreign),
        code=stage_fingerprint("own_answers"),
    script:
        "../scripts/answers.py"


rule localize:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        refusal_tokens=rules.answers.output.refusal_tokens,
        prompts=lambda wildcards: prompt_tables(wildcards.model, [CONFIG.extraction.harmful, CONFIG.extraction.harmless]),
    output:
        grid=AT.stage("localize", "{model}", "grid.parquet"),
        selected=AT.stage("localize", "{model}", "selected.json"),
    log:
        AT.stage("localize", "{model}", "job.log"),
    benchmark:
        AT.stage("localize", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("localize")
    resources:
        **needs("localize"),
    params:
        options=options(CONFIG, "extraction", "selection", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model].without_foreign),
        code=stage_fingerprint("localize"),
    script:
        "../scripts/localize.py"
