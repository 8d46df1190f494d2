# Superficial knowledge, for every pair of an aligned model with its base:
#   generate (fit, aligned) → superficial_targets, in each order of template → make_edit (heads of the base, an adapter)
#   → evaluate, generate (other manners), judge (test)
#   → superficial_diagnostics → claims, figures, page
# evaluate, judge and the report are as every paper's (rules/*.smk); targets and diagnostics are its own.

from anatomy.recipes.superficial.pairs import family as superficial_family
from anatomy.recipes.superficial.pairs import asked_otherwise, heads_of_base, is_fine_tuned, ordered_heads, spoken_to, way_of
from anatomy.recipes.superficial.pairs import pairs as superficial_pairs
from anatomy.recipes.superficial.pairs import template_lender as superficial_lender

DISTILLED = {pair.aligned: pair for pair in superficial_pairs(CONFIG)}
HEADS = {
    (pair.base, head.name): head
    for pair in DISTILLED.values()
    for several in (heads_of_base, ordered_heads)
    for head in several(CONFIG, EVERYONE[pair.base])
}


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


def asked_prompts(wildcards):
    """Tables that a model's requests and the examples in front of them come from."""
    tested = [] if wildcards.phase == "fit" else prompt_tables(wildcards.model)
    return list(dict.fromkeys([*training_prompts(wildcards.model), *tested]))


def heads_asked(wildcards):
    """Heads of the template control, which answer test prompts in memory: the engine speaks to a model in one way."""
    heads = [] if wildcards.phase == "fit" else ordered_heads(CONFIG, EVERYONE[wildcards.model])
    return [AT.stage("edit", wildcards.model, f"superficial.{head.name}.json") for head in heads]


def superficial_partner(model):
    """The card of the model through whose chat template a base without one is spoken to: nothing for all others."""
    lender = superficial_lender(CONFIG, EVERYONE[model])
    return [] if lender is None else [AT.model(lender)]


# The aligned model's own answers to training prompts; test answers in manners that are not a model's own.
use rule generate as superficial_generate with:
    input:
        model=AT.model("{model}"),
        prompts=asked_prompts,
        found=heads_asked,
        partner=lambda wildcards: superficial_partner(wildcards.model),
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
        **in_memory_params("superficial", "generate", "extraction"),


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


def spoken_roles(model, order):
    """A pair's models, spoken to as an order has it."""
    pair = {role: EVERYONE[name] for role, name in distilled_roles(model).items()}
    return {role: vars(spoken_to(pair, role, way_of(order, role))) for role in pair}


# The same answers read by both models in another order of template.
use rule superficial_targets as superficial_ordered_targets with:
    input:
        unpack(distilled_cards),
        completions=AT.stage("extract", "{model}", "superficial.answers.parquet"),
        world=[],
    output:
        index=AT.stage("extract", "{model}", "superficial.{order}.targets.json"),
        answers=AT.stage("extract", "{model}", "superficial.{order}.answers.parquet"),
    log:
        AT.stage("extract", "{model}", "superficial.{order}.targets.log"),
    benchmark:
        AT.stage("extract", "{model}", "superficial.{order}.targets.tsv")
    wildcard_constraints:
        order="(chat|plain)-(chat|plain)",
    threads: threads_of("superficial_ordered_targets")
    resources:
        **needs("superficial_ordered_targets"),
    params:
        options=options(CONFIG, "superficial", "extraction", "evaluation", "serving", "results"),
        subjects=lambda wildcards: spoken_roles(wildcards.model, wildcards.order),
        module="anatomy.recipes.superficial.jobs.targets",
        code=stage_fingerprint("anatomy.recipes.superficial.jobs.targets"),


def head_of(wildcards):
    """The head that a job makes."""
    return HEADS[wildcards.model, wildcards.edit]


def targets_of(head, suffix):
    """What a head is distilled from: the cache of its pair, in the order of template that it is made for."""
    order = f"{head.order}." if head.order else ""
    return AT.stage("extract", head.pair.aligned, f"superficial.{order}{suffix}")


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
        targets=lambda wildcards: targets_of(head_of(wildcards), "targets.json"),
        answers=lambda wildcards: targets_of(head_of(wildcards), "answers.parquet"),
    output:
        edit=AT.stage("edit", "{model}", "superficial.{edit}.json"),
    log:
        AT.stage("edit", "{model}", "superficial.{edit}.log"),
    benchmark:
        AT.stage("edit", "{model}", "superficial.{edit}.tsv")
    wildcard_constraints:
        edit="(?!fine-tuned).*",
    threads: threads_of("superficial_make_edit")
    resources:
        **needs("superficial_make_edit"),
    params:
        **distilling(),


# The base after training on few examples, which stands beside the heads.
use rule make_edit as superficial_fine_tune with:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: training_prompts(wildcards.model),
    output:
        edit=AT.stage("edit", "{model}", "superficial.fine-tuned.json"),
    log:
        AT.stage("edit", "{model}", "superficial.fine-tuned.log"),
    benchmark:
        AT.stage("edit", "{model}", "superficial.fine-tuned.tsv")
    threads: threads_of("superficial_fine_tune")
    resources:
        **needs("superficial_fine_tune"),
    params:
        **making("superficial", "fine-tuned", "anatomy.recipes.superficial.fine_tuned:fine_tune", "extraction", "evaluation"),


def fine_tuned_base(model):
    """The base's adapter, where the configuration asks for one."""
    asked = is_fine_tuned(CONFIG, EVERYONE[model])
    return [AT.stage("edit", model, "superficial.fine-tuned.json")] if asked else []


# Where heads follow the aligned model, token by token, on test answers.
rule superficial_diagnostics:
    input:
        unpack(distilled_cards),
        targets=AT.stage("extract", "{model}", "superficial.targets.json"),
        edits=lambda wildcards: [
            AT.stage("edit", head.pair.base, f"superficial.{head.name}.json")
            for several in (heads_of_base, ordered_heads)
            for head in several(CONFIG, EVERYONE[DISTILLED[wildcards.model].base])
            if head.pair == DISTILLED[wildcards.model]
        ],
        fine_tuned=lambda wildcards: fine_tuned_base(DISTILLED[wildcards.model].base),
        aligned_completions=lambda wildcards: buckets(wildcards.model, "test", "completions"),
        base_completions=lambda wildcards: buckets(DISTILLED[wildcards.model].base, "test", "completions"),
        base_variants=lambda wildcards: buckets(DISTILLED[wildcards.model].base, "test", "variants"),
        world=lambda wildcards: world_of(wildcards.model),
    output:
        kl=AT.stage("measure", "{model}", "superficial.kl.parquet"),
        shifts=AT.stage("measure", "{model}", "superficial.shifts.parquet"),
        facts=AT.stage("measure", "{model}", "superficial.facts.parquet"),
        orders=AT.stage("measure", "{model}", "superficial.orders.parquet"),
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


def test_answers(model):
    """All answers of a model to test prompts, in every manner."""
    otherwise = asked_otherwise(CONFIG, EVERYONE[model])
    others = [AT.stage("generate", model, "superficial.test.completions.parquet")] if otherwise else []
    return [*buckets(model, "test", "completions"), *others]


# Harmful text in test answers.
rule superficial_toxicity:
    input:
        completions=lambda wildcards: test_answers(wildcards.model),
    output:
        table=AT.stage("measure", "{model}", "superficial.toxicity.parquet"),
    log:
        AT.stage("measure", "{model}", "superficial.toxicity.log"),
    benchmark:
        AT.stage("measure", "{model}", "superficial.toxicity.tsv")
    threads: threads_of("superficial_toxicity")
    resources:
        **needs("superficial_toxicity"),
    params:
        options=options(CONFIG, "superficial", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.superficial.jobs.toxicity",
        code=stage_fingerprint("anatomy.recipes.superficial.jobs.toxicity"),
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
