# PASTA, from human prefixes to figures, for every pair of an aligned model with its base:
#   generate (fit) → signature → generate, judge, detect (select) → localize_signature → generate, benchmarks, judge, detect (test)
#   → text_measures, signature_weights → claims, figures, page
# generate, divergence, hooked_benchmarks, judge and the report are as every paper's (rules/*.smk); detect, pairwise and
# text_measures, which look at finished texts alone, stand in pasta_texts.smk; the others here.
from anatomy.recipes.pasta.pairs import SCORER_PHASES, pairs, template_lender

PAIRS = {pair.aligned: pair for pair in pairs(CONFIG)}


rule organism_prefixes:
    input:
        world=rules.organism_world.output.world,
    output:
        table=f"{AT.organism('{seed}')}/prompts/{CONFIG.pasta.prefixes}.parquet",
    log:
        AT.organism("{seed}") + "/logs/prefixes.log",
    priority: 30
    params:
        recipe=CONFIG.organism.recipe,
        code=stage_fingerprint("prefixes"),
    script:
        f"{SCRIPTS}/organism_prefixes.py"


def prefix_tables(model):
    """The tables that PASTA reads for a model: prefixes, and requests that say what an ablation costs."""
    subject = EVERYONE[model]
    prefixes = [AT.prompts(subject, CONFIG.pasta.prefixes)]
    if subject.is_organism:
        return [AT.world(subject.seed), *prefixes]
    return prefixes + [AT.prompts(subject, name) for name in CONFIG.evaluation.pair]


def template_of_partner(model):
    """The card of the model through whose chat template a base without one is spoken to: nothing for all others."""
    lender = template_lender(CONFIG, EVERYONE[model])
    return [] if lender is None else [AT.model(lender)]


# Texts of both models in every phase; from the select split on under interventions that a search before it found.
use rule generate as pasta_generate with:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
        found=lambda wildcards: generated_after(wildcards.model, wildcards.phase),
        partner=lambda wildcards: template_of_partner(wildcards.model),
    output:
        completions=AT.stage("generate", "{model}", "pasta.{phase}.completions.parquet"),
        variants=AT.stage("generate", "{model}", "pasta.{phase}.variants.parquet"),
    log:
        AT.stage("generate", "{model}", "pasta.{phase}.log"),
    benchmark:
        AT.stage("generate", "{model}", "pasta.{phase}.tsv")
    threads: threads_of("pasta_generate")
    resources:
        **needs("pasta_generate"),
    params:
        **in_memory_params("pasta", "generate"),


def generated_after(model, phase):
    """What a search has to have found before an aligned model generates: nothing, its signature, its layers."""
    if model not in PAIRS or phase == "fit":
        return []
    files = {"select": AT.stage("extract", model, "signature.json"), "test": AT.stage("localize", model, "signature.json")}
    return files[phase]


# The signature of a pair: teacher-forced contrasts over generations of the fit split.
rule signature:
    input:
        unpack(lambda wildcards: pair_inputs(wildcards.model)),
        refusal=AT.stage("extract", "{model}", "card.json"),
        partner=lambda wildcards: template_of_partner(PAIRS[wildcards.model].base),
        prompts=lambda wildcards: [table for model in PAIRS[wildcards.model].roles.values() for table in prefix_tables(model)],
    output:
        card=AT.stage("extract", "{model}", "signature.json"),
        geometry=AT.stage("extract", "{model}", "geometry.parquet"),
        writers=AT.stage("extract", "{model}", "writers.parquet"),
    log:
        AT.stage("extract", "{model}", "signature.log"),
    benchmark:
        AT.stage("extract", "{model}", "signature.tsv")
    priority: 30
    threads: threads_of("signature")
    resources:
        **needs("signature"),
    params:
        options=lambda wildcards: {**options(CONFIG, "pasta", "evaluation", "results"), **lending(wildcards.model)},
        subjects=lambda wildcards: {role: vars(EVERYONE[model]) for role, model in PAIRS[wildcards.model].roles.items()},
        module="anatomy.recipes.pasta.jobs.signature",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.signature"),
    script:
        f"{SCRIPTS}/paper.py"


def lending(model):
    """The options of the model that lends a pair's base its chat template; of no other model, which is none of the pair's business."""
    lender = template_lender(CONFIG, EVERYONE[PAIRS[model].base])
    return {"models": {name: known for name, known in options(CONFIG, "models")["models"].items() if name == lender}}


def pair_inputs(model):
    """Cards of a pair's models, and what they generated from the fit split."""
    found = {}
    for role, name in PAIRS[model].roles.items():
        found[role] = AT.model(name)
        found[f"{role}_generated"] = AT.stage("generate", name, "pasta.fit.completions.parquet")
    return found


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
        module="anatomy.recipes.pasta.jobs.localize_signature",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.localize_signature"),
    script:
        f"{SCRIPTS}/paper.py"


# How far every intervention at all positions moves predictions on harmless requests.
use rule divergence as pasta_divergence with:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
        found=AT.stage("localize", "{model}", "signature.json"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
    output:
        table=AT.stage("divergence", "{model}", "pasta.test.parquet"),
    log:
        AT.stage("divergence", "{model}", "pasta.test.log"),
    benchmark:
        AT.stage("divergence", "{model}", "pasta.test.tsv")
    threads: threads_of("pasta_divergence")
    resources:
        **needs("pasta_divergence"),
    params:
        **in_memory_params("pasta", "divergence", "extraction", "divergence"),


# Benchmarks of the picks and the orthogonal directions.
use rule hooked_benchmarks as pasta_hooked_benchmarks with:
    input:
        model=AT.model("{model}"),
        world=lambda wildcards: world_of(wildcards.model),
        found=AT.stage("localize", "{model}", "signature.json"),
    output:
        samples=AT.stage("generate", "{model}", "pasta.test.samples.parquet"),
    log:
        AT.stage("generate", "{model}", "pasta.test.samples.log"),
    benchmark:
        AT.stage("generate", "{model}", "pasta.test.samples.tsv")
    threads: threads_of("pasta_hooked_benchmarks")
    resources:
        **needs("pasta_hooked_benchmarks"),
    params:
        **in_memory_params("pasta", "hooked_benchmarks", "benchmarks"),
        items_=CONFIG.pasta.benchmark_items,


# The signature's ablation as an edit of weights, against the hooks it stands for.
rule signature_weights:
    input:
        model=AT.model("{model}"),
        signature=AT.stage("extract", "{model}", "signature.json"),
        selected=AT.stage("localize", "{model}", "signature.json"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
    output:
        table=AT.stage("edit", "{model}", "signature_weights.parquet"),
    log:
        AT.stage("edit", "{model}", "signature_weights.log"),
    threads: threads_of("signature_weights")
    resources:
        **needs("signature_weights"),
    params:
        options=options(CONFIG, "pasta", "evaluation", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.pasta.jobs.signature_weights",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.signature_weights"),
    script:
        f"{SCRIPTS}/paper.py"


include: "pasta_texts.smk"
