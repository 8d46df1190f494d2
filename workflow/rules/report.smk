# Statistics, claims, figures, tables and the page: they never need a model. ROSI's lie in results/ itself, another recipe's in a
# folder of its name; a recipe brings files, names of figures, and three stages of its own.
from anatomy.recipes.pasta import plans as pasta
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans

# Where exports go and what jobs ask for changes nothing that a report says.
WHOLE = options(CONFIG, *(section for section in type(CONFIG).model_fields if section not in ("export", "resources")))


def everything(file):
    """One file of every model."""
    return [f"{CONFIG.results}/{file.format(model=model)}" for model in SUBJECTS]


def all_buckets(table, suffix="parquet"):
    """All parts of a table of the test phase, of every model."""
    return everything_of(
        lambda model: [AT.stage("evaluate", model, f"test.{bucket}.{table}.{suffix}") for bucket in range(CONFIG.serving.buckets)]
    )


def everything_of(files):
    return [file for model in SUBJECTS for file in files(model)]


EVIDENCE = dict(
    completions=all_buckets("completions") + everything("measure/{model}/completions.parquet"),
    judgements=everything("judge/{model}/test.parquet")
    + everything("judge/{model}/measure.parquet")
    + everything_of(model_judged),
    judge_notes=everything_of(lambda model: model_judged(model, "notes.json")),
    samples=all_buckets("samples"),
    tasks=all_buckets("tasks", "json"),
    variants=all_buckets("variants") + everything("measure/{model}/variants.parquet"),
    grid=everything("localize/{model}/grid.parquet"),
    screen=everything("localize/{model}/screen.parquet"),
    projections=everything("measure/{model}/projections.parquet"),
    selected=everything("localize/{model}/selected.json"),
    adapters=everything("edit/{model}/adapters.json"),
    bars=[AT.organism(seed) + "/bars.csv" for seed in CONFIG.seeds if CONFIG.organism.members and CONFIG.organism.bars],
)
PASTA_PAIRS = sorted({model for pair in PAIRS.values() for model in (pair.aligned, pair.base)})
PASTA_EVIDENCE = dict(
    completions=[AT.stage("generate", model, "pasta.test.completions.parquet") for model in PASTA_PAIRS],
    variants=[AT.stage("generate", model, "pasta.test.variants.parquet") for model in PASTA_PAIRS],
    judgements=[
        AT.stage("judge", model, f"pasta.test.{part}") for model in PASTA_PAIRS for part in ("parquet", "detectors.parquet")
    ],
    **{part: [AT.stage("judge", model, f"pasta.test.{part}.parquet") for model in PAIRS] for part in ("measures", "agreement")},
    **{
        part: [AT.stage("localize", model, f"signature.{part}.parquet") for model in PAIRS]
        for part in ("curves", "layers", "swap", "operating")
    },
    **{part: [AT.stage("extract", model, f"{part}.parquet") for model in PAIRS] for part in ("geometry", "writers")},
    selected=[AT.stage("localize", model, "signature.json") for model in PAIRS],
    signatures=[AT.stage("extract", model, "signature.json") for model in PAIRS],
    weights=[AT.stage("edit", model, "signature_weights.parquet") for model in PAIRS],
    worlds=[AT.world(seed) for seed in CONFIG.seeds if any(EVERYONE[model].seed == seed for model in PAIRS)],
)


def shown(plans, folder):
    """Files of figures, by kind, each with its caption in Snakemake's own report."""
    kinds = {}
    for plan in plans:
        kinds.setdefault(plan.kind, []).append(f"{folder}/figures/{plan.name}.svg")
    return {kind: report(names, caption=f"../report/captions/{kind}.rst", category="Figures") for kind, names in kinds.items()}


def redrawable(plans, folder):
    """The same figures for whoever wants to redraw them."""
    return [f"{folder}/figures/{plan.name}.{kind}" for plan in plans for kind in ("pdf", "csv", "vl.json")]


TABLES = [plan.name for plan in TABLE_PLANS]


rule claims:
    input:
        **EVIDENCE,
    output:
        ledger=report(f"{CONFIG.results}/claims/ledger.csv", caption="../report/captions/ledger.rst", category="Claims"),
        table=f"{CONFIG.results}/claims/ledger.parquet",
    log:
        f"{CONFIG.results}/claims/job.log",
    resources:
        **needs("claims"),
    params:
        options=WHOLE,
        stage="claims",
        code=stage_fingerprint("claims"),
    script:
        "../scripts/claims.py"


rule figures:
    input:
        **EVIDENCE,
    output:
        **shown(figure_plans(CONFIG), CONFIG.results),
        other=redrawable(figure_plans(CONFIG), CONFIG.results),
        csv=report(
            [f"{CONFIG.results}/tables/{name}.csv" for name in [*TABLES, "selection"]],
            caption="../report/captions/table.rst",
            category="Tables",
        ),
        tex=[f"{CONFIG.results}/tables/{name}.tex" for name in TABLES],
    log:
        f"{CONFIG.results}/figures/job.log",
    resources:
        **needs("figures"),
    params:
        options=WHOLE,
        stage="draw",
        code=stage_fingerprint("draw"),
    script:
        "../scripts/figures.py"


rule page:
    input:
        **EVIDENCE,
        figures=rules.figures.output.other,
        ledger=rules.claims.output.table,
        cards=[AT.model(model) for model in SUBJECTS],
    output:
        page=report(f"{CONFIG.results}/report.html", caption="../report/captions/page.rst", category="Report"),
    log:
        f"{CONFIG.results}/logs/page.log",
    resources:
        **needs("page"),
    params:
        options=WHOLE,
        stage="page",
        code=stage_fingerprint("page"),
    script:
        "../scripts/page.py"


use rule claims as pasta_claims with:
    input:
        **PASTA_EVIDENCE,
    output:
        ledger=report(f"{CONFIG.results}/pasta/claims/ledger.csv", caption="../report/captions/ledger.rst", category="Claims"),
        table=f"{CONFIG.results}/pasta/claims/ledger.parquet",
    log:
        f"{CONFIG.results}/pasta/claims/job.log",
    params:
        options=WHOLE,
        stage="pasta_claims",
        code=stage_fingerprint("pasta_claims"),


use rule figures as pasta_figures with:
    input:
        **PASTA_EVIDENCE,
    output:
        **shown(pasta.figure_plans(CONFIG), f"{CONFIG.results}/pasta"),
        other=redrawable(pasta.figure_plans(CONFIG), f"{CONFIG.results}/pasta"),
        csv=report(
            [f"{CONFIG.results}/pasta/tables/{name}.csv" for name in pasta.TABLES],
            caption="../report/captions/table.rst",
            category="Tables",
        ),
    log:
        f"{CONFIG.results}/pasta/figures/job.log",
    params:
        options=WHOLE,
        stage="pasta_draw",
        code=stage_fingerprint("pasta_draw"),


use rule page as pasta_page with:
    input:
        **PASTA_EVIDENCE,
        figures=rules.pasta_figures.output.other,
        ledger=rules.pasta_claims.output.table,
        cards=[AT.model(model) for model in PASTA_PAIRS],
    output:
        page=report(f"{CONFIG.results}/pasta/report.html", caption="../report/captions/page.rst", category="Report"),
    log:
        f"{CONFIG.results}/logs/pasta_page.log",
    params:
        options=WHOLE,
        stage="pasta_page",
        code=stage_fingerprint("pasta_page"),
