# Statistics, claims, figures, tables and the page: they never need a model.
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans

# Where exports go and what jobs ask for changes nothing that a report says.
WHOLE = options(CONFIG, *(section for section in type(CONFIG).model_fields if section not in ("export", "resources")))


def everything(file):
    """One file of every model."""
    return [f"{CONFIG.results}/{file.format(model=model)}" for model in SUBJECTS]


def all_buckets(table, suffix="parquet"):
    """All parts of a table of the test phase, of every model."""
    return everything_of(lambda model: [
        AT.stage("evaluate", model, f"test.{bucket}.{table}.{suffix}") for bucket in range(CONFIG.serving.buckets)
    ])


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
FIGURES = {}
for plan in figure_plans(CONFIG):
    FIGURES.setdefault(plan.kind, []).append(plan.name)
TABLES = [plan.name for plan in TABLE_PLANS]


rule claims:
    input:
        **EVIDENCE,
    output:
        ledger=report(f"{CONFIG.results}/claims/ledger.csv", caption="../report/captions/ledger.rst", category="Claims"),
        table=f"{CONFIG.results}/claims/ledger.parquet",
    params:
        options=WHOLE,
        code=stage_fingerprint("claims"),
    resources:
        **needs("claims"),
    log:
        f"{CONFIG.results}/claims/job.log",
    script:
        "../scripts/claims.py"


rule figures:
    input:
        **EVIDENCE,
    output:
        **{
            kind: report(
                [f"{CONFIG.results}/figures/{name}.svg" for name in names],
                caption=f"../report/captions/{kind}.rst",
                category="Figures",
            )
            for kind, names in FIGURES.items()
        },
        other=[
            f"{CONFIG.results}/figures/{name}.{kind}"
            for names in FIGURES.values()
            for name in names
            for kind in ("pdf", "csv", "vl.json")
        ],
        csv=report(
            [f"{CONFIG.results}/tables/{name}.csv" for name in [*TABLES, "selection"]], caption="../report/captions/table.rst", category="Tables"
        ),
        tex=[f"{CONFIG.results}/tables/{name}.tex" for name in TABLES],
    params:
        options=WHOLE,
        code=stage_fingerprint("draw"),
    resources:
        **needs("figures"),
    log:
        f"{CONFIG.results}/figures/job.log",
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
    params:
        options=WHOLE,
        code=stage_fingerprint("page"),
    resources:
        **needs("page"),
    log:
        f"{CONFIG.results}/logs/page.log",
    script:
        "../scripts/page.py"
