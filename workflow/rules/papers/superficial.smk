# Superficial knowledge, for every pair of an aligned model with its base:
#   generate (fit, aligned) → superficial_targets → make_edit (heads of the base) → evaluate, judge (test)
#   → superficial_diagnostics → claims, figures, page
# evaluate, judge and the report are as every paper's (rules/*.smk); targets and diagnostics are its own.
from anatomy.recipes.superficial.pairs import family as superficial_family
from anatomy.recipes.superficial.pairs import heads_of_base
from anatomy.recipes.superficial.pairs import pairs as superficial_pairs

DISTILLED = {pair.aligned: pair for pair in superficial_pairs(CONFIG)}
HEADS = {(pair.base, head.name): head for pair in DISTILLED.values() for head in heads_of_base(CONFIG, EVERYONE[pair.base])}


def distilled_roles(model):
    """The models of the pair that goes by an aligned model, by role."""
    return {"base": DISTILLED[model].base, "aligned": model}


def distilled_cards(wildcards):
    """Their cards."""
    return {role: AT.model(name) for role, name in distilled_roles(wildcards.model).items()}


def training_prompts(model):
    """Tables of the prompts whose answers are distilled."""
    subject = EVERYONE[model]
    if subject.is_organism:
        return [AT.world(subject.seed)]
    return [AT.prompts(subject, name) for name in CONFIG.superficial.tasks.values()]


# The aligned model's own answers to training prompts.
use rule generate as superficial_generate with:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: training_prompts(wildcards.model),
    output:
        completions=AT.stage("generate", "{model}", "superficial.{phase}.completions.parquet"),
        variants=AT.stage("generate", "{model}", "superficial.{phase}.variants.parquet"),
    log:
        AT.stage("generate", "{model}", "superficial.{phase}.log"),
    benchmark:
        AT.stage("generate", "{model}", "superficial.{phase}.tsv")
    threads: threads_of("superficial_generate")
    resources:
        **needs("superficial_generate"),
    params:
        **in_memory_params("superficial", "generate"),


# Features of the base and distributions of the aligned model, on the same answers: computed once for all heads.
rule superficial_targets:
    input:
        unpack(distilled_cards),
        completions=AT.stage("generate", "{model}", "superficial.fit.completions.parquet"),
        world=lambda wildcards: world_of(wildcards.model),
    output:
        index=AT.stage("extract", "{model}", "superficial.targets.json"),
        answers=AT.stage("extract", "{model}", "superficial.answers.parquet"),
    log:
        AT.stage("extract", "{model}", "superficial.targets.log"),
    benchmark:
        AT.stage("extract", "{model}", "superficial.targets.tsv")
    priority: 30
    threads: threads_of("superficial_targets")
    resources:
        **needs("superficial_targets"),
    params:
        options=options(CONFIG, "superficial", "extraction", "evaluation", "serving", "results"),
        subjects=lambda wildcards: {role: vars(EVERYONE[name]) for role, name in distilled_roles(wildcards.model).items()},
        module="anatomy.recipes.superficial.jobs.targets",
        code=stage_fingerprint("anatomy.recipes.superficial.jobs.targets"),
    script:
        f"{SCRIPTS}/paper.py"


def head_of(wildcards):
    """The head that a job makes."""
    return HEADS[wildcards.model, wildcards.edit]


def told(head):
    """What the maker is told about a head, as plain JSON."""
    return {"name": head.name, "tasks": list(head.tasks), "rank": head.rank, "control": head.control, "intent": head.intent}


def distilling():
    """Parameters of the rule that makes heads."""
    return {
        **making("superficial", "", "anatomy.recipes.superficial.maker:distil"),
        "name": lambda wildcards: f"superficial.{wildcards.edit}",
        "told": lambda wildcards: told(head_of(wildcards)),
    }


# Every head of a base, distilled from the targets of the pair that it belongs to.
use rule make_edit as superficial_make_edit with:
    input:
        model=AT.model("{model}"),
        targets=lambda wildcards: AT.stage("extract", head_of(wildcards).pair.aligned, "superficial.targets.json"),
        answers=lambda wildcards: AT.stage("extract", head_of(wildcards).pair.aligned, "superficial.answers.parquet"),
    output:
        edit=AT.stage("edit", "{model}", "superficial.{edit}.json"),
    log:
        AT.stage("edit", "{model}", "superficial.{edit}.log"),
    benchmark:
        AT.stage("edit", "{model}", "superficial.{edit}.tsv")
    threads: threads_of("superficial_make_edit")
    resources:
        **needs("superficial_make_edit"),
    params:
        **distilling(),


# Where heads follow the aligned model, token by token, on test answers.
rule superficial_diagnostics:
    input:
        unpack(distilled_cards),
        targets=AT.stage("extract", "{model}", "superficial.targets.json"),
        edits=lambda wildcards: [
            AT.stage("edit", head.pair.base, f"superficial.{head.name}.json")
            for head in heads_of_base(CONFIG, EVERYONE[DISTILLED[wildcards.model].base])
            if head.pair == DISTILLED[wildcards.model]
        ],
        aligned_completions=lambda wildcards: buckets(wildcards.model, "test", "completions"),
        base_completions=lambda wildcards: buckets(DISTILLED[wildcards.model].base, "test", "completions"),
        base_variants=lambda wildcards: buckets(DISTILLED[wildcards.model].base, "test", "variants"),
        world=lambda wildcards: world_of(wildcards.model),
    output:
        kl=AT.stage("measure", "{model}", "superficial.kl.parquet"),
        shifts=AT.stage("measure", "{model}", "superficial.shifts.parquet"),
        facts=AT.stage("measure", "{model}", "superficial.facts.parquet"),
    log:
        AT.stage("measure", "{model}", "superficial.log"),
    benchmark:
        AT.stage("measure", "{model}", "superficial.tsv")
    priority: 20
    threads: threads_of("superficial_diagnostics")
    resources:
        **needs("superficial_diagnostics"),
    params:
        options=options(CONFIG, "seeds", "organism", "models", "superficial", "extraction", "evaluation", "serving", "results"),
        subjects=lambda wildcards: {role: vars(EVERYONE[name]) for role, name in distilled_roles(wildcards.model).items()},
        module="anatomy.recipes.superficial.jobs.diagnostics",
        code=stage_fingerprint("anatomy.recipes.superficial.jobs.diagnostics"),
    script:
        f"{SCRIPTS}/paper.py"


# A head on logits, attached to other models of the family. Nothing edited is written.
rule superficial_transfer:
    input:
        family=lambda wildcards: [AT.model(name) for name in superficial_family(CONFIG, DISTILLED[wildcards.model]).values()],
        targets=AT.stage("extract", "{model}", "superficial.targets.json"),
        aligned_completions=lambda wildcards: buckets(wildcards.model, "test", "completions"),
        prompts=lambda wildcards: prompt_tables(wildcards.model, CONFIG.evaluation.pair),
    output:
        transfer=AT.stage("measure", "{model}", "superficial.transfer.parquet"),
        sweep=AT.stage("measure", "{model}", "superficial.sweep.parquet"),
    log:
        AT.stage("measure", "{model}", "superficial.transfer.log"),
    benchmark:
        AT.stage("measure", "{model}", "superficial.transfer.tsv")
    priority: 10
    threads: threads_of("superficial_transfer")
    resources:
        **needs("superficial_transfer"),
    params:
        options=options(CONFIG, "superficial", "extraction", "evaluation", "serving", "results"),
        family=lambda wildcards: {
            name: vars(EVERYONE[model]) for name, model in superficial_family(CONFIG, DISTILLED[wildcards.model]).items()
        },
        module="anatomy.recipes.superficial.jobs.transfer",
        code=stage_fingerprint("anatomy.recipes.superficial.jobs.transfer"),
    script:
        f"{SCRIPTS}/paper.py"
