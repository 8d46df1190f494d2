# What PASTA asks of finished texts: detectors' scores, a judge's preference, and everything measured beside detection.


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
