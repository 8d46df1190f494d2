# PASTA, from human prefixes to figures, for every pair of an aligned model with its base:
#   generate (fit) → signature → generate, judge, detect (select) → localize_signature → generate, benchmarks, judge, detect (test)
#   → text_measures, signature_weights → claims, figures, page
# generate, hooked_benchmarks, judge and the report are as every paper's (rules/*.smk); the others are its own.
from anatomy.recipes.pasta.pairs import SCORER_PHASES, pairs

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


# Texts of both models in every phase; from the select split on under interventions that a search before it found.
use rule generate as pasta_generate with:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prefix_tables(wildcards.model),
        found=lambda wildcards: generated_after(wildcards.model, wildcards.phase),
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
        options=options(CONFIG, "pasta", "evaluation", "results"),
        subjects=lambda wildcards: {role: vars(EVERYONE[model]) for role, model in PAIRS[wildcards.model].roles.items()},
        module="anatomy.recipes.pasta.jobs.signature",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.signature"),
    script:
        f"{SCRIPTS}/paper.py"


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
        AT.stage("divergence", "{model}", "pasta.job.log"),
    benchmark:
        AT.stage("divergence", "{model}", "pasta.job.tsv")
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


# Detectors of machine text: instruments that score every continuation. On the organism they are models of another family, fitted
# on that family's texts; for models of your own those of pasta.own_detectors, fitted on the pair's training prefixes.
rule detect:
    input:
        unpack(lambda wildcards: instrument_inputs(pair_around(wildcards.model))),
        completions=completions_of,
    output:
        table=AT.stage("judge", "{model}", "{pass_}.detectors.parquet"),
    log:
        AT.stage("judge", "{model}", "{pass_}.detectors.log"),
    benchmark:
        AT.stage("judge", "{model}", "{pass_}.detectors.tsv")
    wildcard_constraints:
        pass_="pasta\\.(select|test)",
    priority: 25
    threads: threads_of("detect")
    resources:
        **needs("detect"),
    params:
        options=options(CONFIG, "pasta", "results"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.pasta.jobs.detect",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.detect"),
    script:
        f"{SCRIPTS}/paper.py"


def pair_around(model):
    """The pair that a model belongs to; a base of several is measured with the first one's detectors."""
    return next(pair for pair in PAIRS.values() if model in (pair.aligned, pair.base))


def instrument_inputs(pair):
    """Models of the detectors, texts whose writer is known, and files of closed detectors."""
    if pair.scorers:
        fit = [AT.stage("generate", pair.scorers[1], f"pasta.{phase}.completions.parquet") for phase in SCORER_PHASES]
        return {"scorers": [AT.model(model) for model in pair.scorers], "fit_aligned": fit, "fit_humans": fit}
    own = CONFIG.pasta.own_detectors.values()
    named = {model for one in own for model in (one.reference, one.scorer) if model in CONFIG.models}
    fit = {
        name: AT.stage("generate", model, "pasta.fit.completions.parquet")
        for name, model in (("fit_aligned", pair.aligned), ("fit_humans", pair.base))
    }
    return {"scorers": sorted(map(AT.model, named)), "closed": [one.file for one in own if one.file], **fit}


# Which of two continuations is the better one, says a chat model: edited texts against unedited ones.
rule pairwise:
    input:
        completions=lambda wildcards: AT.stage("generate", wildcards.model, "pasta.test.completions.parquet"),
        variants=lambda wildcards: AT.stage("generate", wildcards.model, "pasta.test.variants.parquet"),
        judge=lambda wildcards: pairwise_judge(),
    output:
        table=AT.stage("judge", "{model}", "pasta.test.pairwise.parquet"),
    log:
        AT.stage("judge", "{model}", "pasta.test.pairwise.log"),
    benchmark:
        AT.stage("judge", "{model}", "pasta.test.pairwise.tsv")
    priority: 20
    threads: threads_of("pairwise")
    resources:
        **needs("pairwise"),
    params:
        options=lambda wildcards: pairwise_options(),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.pasta.jobs.pairwise",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.pairwise"),
    script:
        f"{SCRIPTS}/paper.py"


def pairwise_judge():
    """The card of a judge among your own models, or the configuration of one in a folder, which has to be there."""
    judge = CONFIG.pasta.pairwise.judge
    return AT.model(judge) if judge in CONFIG.models else f"{judge}/config.json"


def pairwise_options():
    """Its options, without models that it is not."""
    found = options(CONFIG, "pasta", "serving", "models")
    return {**found, "models": {name: one for name, one in found["models"].items() if name == CONFIG.pasta.pairwise.judge}}


def pairwise_judged(model):
    """What the pairwise judge says of a model of your own; the organism's worlds are invented."""
    wanted = CONFIG.pasta.pairwise is not None and not EVERYONE[model].is_organism
    return [AT.stage("judge", model, "pasta.test.pairwise.parquet")] if wanted else []


# What an ablation does to texts beside detection, one table a pair: humans, base and aligned model measured alike.
rule text_measures:
    input:
        unpack(lambda wildcards: pair_tables(PAIRS[wildcards.model])),
        samples=AT.stage("generate", "{model}", "pasta.test.samples.parquet"),
        pairwise=lambda wildcards: pairwise_judged(wildcards.model),
        base=lambda wildcards: AT.model(PAIRS[wildcards.model].base),
        world=lambda wildcards: [AT.world(EVERYONE[wildcards.model].seed)] if EVERYONE[wildcards.model].is_organism else [],
    output:
        measures=AT.stage("judge", "{model}", "pasta.test.measures.parquet"),
        agreement=AT.stage("judge", "{model}", "pasta.test.agreement.parquet"),
    log:
        AT.stage("judge", "{model}", "pasta.test.measures.log"),
    benchmark:
        AT.stage("judge", "{model}", "pasta.test.measures.tsv")
    priority: 30
    threads: threads_of("text_measures")
    resources:
        **needs("text_measures"),
    params:
        options=options(CONFIG, "pasta", "evaluation", "judges", "statistics"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        module="anatomy.recipes.pasta.jobs.text_measures",
        code=stage_fingerprint("anatomy.recipes.pasta.jobs.text_measures"),
    script:
        f"{SCRIPTS}/paper.py"


def pair_tables(pair):
    """Tables of a pair's test and fit texts: of the base, then of the aligned model."""
    names = (pair.base, pair.aligned)
    at = {
        "completions": ("generate", "test.completions"),
        "variants": ("generate", "test.variants"),
        "fit": ("generate", "fit.completions"),
        "judgements": ("judge", "test"),
        "detectors": ("judge", "test.detectors"),
    }
    return {name: [AT.stage(stage, model, f"pasta.{table}.parquet") for model in names] for name, (stage, table) in at.items()}


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
