# Statistics, claims, figures, tables and the page: they never need a model. One set of rules serves every paper: each brings the
# files of its evidence, plans of its figures and a report module (anatomy.recipes.recipe); one ledger and one page hold them all.

# Where exports go and what jobs ask for changes nothing that a report says.
WHOLE = options(
    CONFIG, *(section for section in type(CONFIG).model_fields if section not in ("export", "resources")), published=True
)


def folder_of(paper):
    """Where a paper's figures and tables lie."""
    return f"{CONFIG.results}/{paper.place}".rstrip("/")


def evidence_of(paper):
    """Files that a paper's claims, figures and page are made from, by name."""
    return lambda wildcards: paper.evidence(CONFIG)


def shown(paper):
    """Files of figures, by kind, each with its caption in Snakemake's own report."""
    kinds = {}
    for plan in paper.plans(CONFIG):
        words = {} if plan.caption_file is None else {"caption": str(plan.caption_file)}
        kinds.setdefault(plan.kind, (words, []))[1].append(f"{folder_of(paper)}/figures/{plan.name}.svg")
    return {kind: report(names, category="Figures", **words) for kind, (words, names) in kinds.items()}


def redrawable(paper):
    """The same figures for whoever wants to redraw them."""
    return [
        f"{folder_of(paper)}/figures/{plan.name}.{kind}" for plan in paper.plans(CONFIG) for kind in ("pdf", "csv", "vl.json")
    ]


def tables_of(paper, names, suffix):
    return [f"{folder_of(paper)}/tables/{name}.{suffix}" for name in names]


def words_of(papers):
    """What a page says of its papers, which stands in their recipes."""
    return [[paper.name, paper.paper, paper.summary, list(paper.measured)] for paper in papers]


def page_inputs(papers):
    """What a page is made from: the evidence and figures of its papers, and what it says of their models."""
    models = list(dict.fromkeys(model for paper in papers for model in paper.studied(CONFIG)))
    return {
        "evidence": [file for paper in papers for files in paper.evidence(CONFIG).values() for file in files],
        "figures": [file for paper in papers for file in [*redrawable(paper), *tables_of(paper, paper.tables, "csv")]],
        "cards": [AT.model(model) for model in models],
    }


for PAPER in PAPERS.values():

    rule:
        name:
            f"{PAPER.name}_claims"
        input:
            unpack(evidence_of(PAPER)),
        output:
            table=f"{CONFIG.results}/claims/{PAPER.name}.parquet",
        log:
            f"{CONFIG.results}/claims/{PAPER.name}.log",
        resources:
            **needs(f"{PAPER.name}_claims"),
        params:
            options=WHOLE,
            paper=PAPER.name,
            code=[stage_fingerprint("claims"), stage_fingerprint(PAPER.report)],
        script:
            "../scripts/claims.py"

    rule:
        name:
            f"{PAPER.name}_figures"
        input:
            unpack(evidence_of(PAPER)),
        output:
            **shown(PAPER),
            other=redrawable(PAPER),
            csv=report(tables_of(PAPER, PAPER.tables, "csv"), caption="../report/captions/table.rst", category="Tables"),
            tex=tables_of(PAPER, PAPER.printed, "tex"),
        log:
            f"{folder_of(PAPER)}/figures/job.log",
        resources:
            **needs(f"{PAPER.name}_figures"),
        params:
            options=WHOLE,
            paper=PAPER.name,
            folder=folder_of(PAPER),
            code=[stage_fingerprint("draw"), stage_fingerprint(PAPER.report)],
        script:
            "../scripts/figures.py"

    # A paper alone, whatever else the run makes.
    rule:
        name:
            f"{PAPER.name}_ledger"
        input:
            parts=[f"{CONFIG.results}/claims/{PAPER.name}.parquet"],
        output:
            ledger=f"{CONFIG.results}/{PAPER.name}/claims/ledger.csv",
            table=f"{CONFIG.results}/{PAPER.name}/claims/ledger.parquet",
        log:
            f"{CONFIG.results}/{PAPER.name}/claims/ledger.log",
        localrule: True
        params:
            code=stage_fingerprint("claims"),
        script:
            "../scripts/ledger.py"

    rule:
        name:
            f"{PAPER.name}_page"
        input:
            unpack(lambda wildcards, paper=PAPER: page_inputs([paper])),
            ledger=f"{CONFIG.results}/{PAPER.name}/claims/ledger.parquet",
        output:
            page=f"{CONFIG.results}/{PAPER.name}/report.html",
        log:
            f"{CONFIG.results}/logs/{PAPER.name}.page.log",
        resources:
            **needs(f"{PAPER.name}_page"),
        params:
            options=WHOLE,
            papers=[PAPER.name],
            words=words_of([PAPER]),
            code=[stage_fingerprint("page"), stage_fingerprint(PAPER.report)],
        script:
            "../scripts/page.py"


rule ledger:
    input:
        parts=[f"{CONFIG.results}/claims/{name}.parquet" for name in CHOSEN],
    output:
        ledger=report(f"{CONFIG.results}/claims/ledger.csv", caption="../report/captions/ledger.rst", category="Claims"),
        table=f"{CONFIG.results}/claims/ledger.parquet",
    log:
        f"{CONFIG.results}/claims/ledger.log",
    localrule: True
    params:
        code=stage_fingerprint("claims"),
    script:
        "../scripts/ledger.py"


rule page:
    input:
        unpack(lambda wildcards: page_inputs(list(CHOSEN.values()))),
        ledger=rules.ledger.output.table,
    output:
        page=report(f"{CONFIG.results}/report.html", caption="../report/captions/page.rst", category="Report"),
    log:
        f"{CONFIG.results}/logs/page.log",
    resources:
        **needs("page"),
    params:
        options=WHOLE,
        papers=list(CHOSEN),
        words=words_of(CHOSEN.values()),
        code=[stage_fingerprint("page"), *(stage_fingerprint(paper.report) for paper in CHOSEN.values())],
    script:
        "../scripts/page.py"
