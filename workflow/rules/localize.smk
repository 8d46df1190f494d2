# Which direction is the refusal direction, and which edits are worth generating with. Validation prompts only.


rule localize:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
        fallback=lambda wildcards: refusals_from(wildcards.model),
    output:
        grid=AT.stage("localize", "{model}", "grid.parquet"),
        selected=AT.stage("localize", "{model}", "selected.json"),
        screen=AT.stage("localize", "{model}", "screen.parquet"),
        shortlist=AT.stage("localize", "{model}", "shortlist.json"),
        completions=AT.stage("localize", "{model}", "completions.parquet"),
        refusal_tokens=AT.stage("localize", "{model}", "refusal_tokens.json"),
    log:
        AT.stage("localize", "{model}", "job.log"),
    benchmark:
        AT.stage("localize", "{model}", "job.tsv")
    priority: 30
    threads: threads_of("localize")
    resources:
        **needs("localize"),
    params:
        options=options(CONFIG, "extraction", "selection", "rosi", "evaluation", "results"),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=stage_fingerprint("localize"),
    script:
        "../scripts/localize.py"


def refusals_from(model):
    """Whose refusal tokens a model borrows if it never refuses: those of the aligned member of its family."""
    subject = SUBJECTS[model]
    if subject.is_organism and subject.member != "aligned" and "aligned" in CONFIG.organism.members:
        return AT.stage("localize", f"aligned.s{subject.seed}", "refusal_tokens.json")
    return []


# Where the signature lies: full curves over layers, each detector's choice, how sure it is, and the operating point.
rule localize_signature:
    input:
        signature=AT.stage("extract", "{model}", "signature.json"),
        completions=AT.stage("generate", "{model}", "pasta.select.completions.parquet"),
        variants=AT.stage("generate", "{model}", "pasta.select.variants.parquet"),
        judgements=AT.stage("judge", "{model}", "pasta.select.parquet"),
        detectors=AT.stage("judge", "{model}", "pasta.select.detectors.parquet"),
    output:
        selected=AT.stage("localize", "{model}", "signature.json"),
        curves=AT.stage("localize", "{model}", "signature.curves.parquet"),
        layers=AT.stage("localize", "{model}", "signature.layers.parquet"),
        swap=AT.stage("localize", "{model}", "signature.swap.parquet"),
        operating=AT.stage("localize", "{model}", "signature.operating.parquet"),
    log:
        AT.stage("localize", "{model}", "signature.log"),
    priority: 30
    params:
        options=options(CONFIG, "pasta", "evaluation", "judges", "statistics"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("localize_signature"),
    script:
        "../scripts/localize_signature.py"
