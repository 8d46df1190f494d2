# Names a user can ask for: a paper, a stage, a model; and looking after what is there.
#   snakemake <paper>   snakemake stage_extract   snakemake model_weak_s0   snakemake figures
#   snakemake plan   snakemake status   snakemake disk   snakemake verify   snakemake garbage   snakemake clean_weak_s0   snakemake clean_judge
def ends_of_stages():
    """Files that each stage ends in, of every model under study: of the engine's stages, and of those that papers bring."""
    buckets = range(CONFIG.serving.buckets)
    found = {"extract": ["extract/{model}/card.json"]}
    if any(paper.engine for paper in CHOSEN.values()):
        found["evaluate"] = [f"evaluate/{{model}}/test.{bucket}.completions.parquet" for bucket in buckets]
        found["judge"] = ["judge/{model}/test.parquet"]
        found["divergence"] = ["divergence/{model}/test.parquet"]
    for paper in CHOSEN.values():
        for stage, files in paper.ends.items():
            found[stage] = [*found.get(stage, []), *files]
    return {**{stage: [] for stage in ("localize", "edit", "evaluate", "judge", "measure", "divergence")}, **found}


STAGE_FILES = ends_of_stages()
ALIASES = {"benchmark": "evaluate"}
"""Other names of stages."""


def stage_files(stage, models):
    """What a stage makes for some models."""
    files = [f"{CONFIG.results}/{file.format(model=model)}" for file in STAGE_FILES[stage] for model in models]
    return files + [file for model in models for file in model_judged(model)] if stage == "judge" else files


# Everything that models write: what the engine answers, and what the papers of the run generate in memory.
rule stage_generate:
    input:
        stage_files("evaluate", SUBJECTS),
        [
            AT.stage("generate", model, f"{name}.test.completions.parquet")
            for name, paper in CHOSEN.items()
            if paper.in_memory is not None
            for model in paper.studied(CONFIG)
        ],
    localrule: True


for stage in [*STAGE_FILES, *ALIASES]:

    rule:
        name:
            f"stage_{stage}"
        input:
            stage_files(ALIASES.get(stage, stage), SUBJECTS),
        localrule: True


TARGETS = target_names(SUBJECTS)

for model in SUBJECTS:

    rule:
        name:
            f"model_{TARGETS[model]}"
        input:
            stage_files("judge", [model]),
        localrule: True


rule stage_prepare:
    input:
        [AT.model(model) for model in SUBJECTS],
    localrule: True


def end_of(paper):
    """What a paper ends in: the page of the run if it is one of the run's papers, else a page of its own.

    A paper that asks the engine is one of the run's once it is named (``join_named_papers``).
    """
    if not (paper.asked or paper.studied)(CONFIG):
        raise WorkflowError(
            f"{paper.name}: this run gives it nothing to study; see the section {paper.name} of the configuration"
        )
    if paper.name in CHOSEN:
        return [f"{CONFIG.results}/report.html"]
    return [f"{CONFIG.results}/{paper.name}/report.html"]


for PAPER in PAPERS.values():

    rule:
        name:
            PAPER.name
        input:
            lambda wildcards, paper=PAPER: end_of(paper),
        localrule: True


rule claims:
    input:
        f"{CONFIG.results}/claims/ledger.parquet",
    localrule: True


rule figures:
    input:
        [file for paper in CHOSEN.values() for file in redrawable(paper)],
    localrule: True


rule status:
    localrule: True
    params:
        config=lambda wildcards: config,
        snakefile=workflow.main_snakefile,
        store=AT.store,
        papers=[name for name in PAPERS if name not in CHOSEN],
    script:
        "../scripts/status.py"


rule plan:
    localrule: True
    params:
        config=lambda wildcards: config,
        snakefile=workflow.main_snakefile,
    script:
        "../scripts/plan.py"


rule disk:
    localrule: True
    params:
        results=CONFIG.results,
    script:
        "../scripts/disk.py"


rule verify:
    localrule: True
    params:
        results=CONFIG.results,
    script:
        "../scripts/verify.py"


rule garbage:
    localrule: True
    params:
        results=CONFIG.results,
        delete=False,
    script:
        "../scripts/garbage.py"


use rule garbage as remove_garbage with:
    params:
        results=CONFIG.results,
        delete=True,


FOLDERS = [*STAGE_FILES, "generate"]


def left_by(paper):
    """What a paper leaves besides what stages made: figures, tables, verdicts, its page."""
    drawn = [f"{paper.place}/{kind}".lstrip("/") for kind in ("figures", "tables")]
    whole = ["report.html", "claims/ledger.csv", "claims/ledger.parquet"] if paper.name in CHOSEN else []
    return [*drawn, f"claims/{paper.name}.parquet", f"claims/{paper.name}.log", paper.name, *whole]


CLEANED = {
    **{stage: [stage] for stage in STAGE_FILES},
    **{name: [stage] for name, stage in ALIASES.items()},
    "generate": ["generate", "evaluate"],
    **{TARGETS[model]: [f"{stage}/{model}" for stage in FOLDERS] for model in SUBJECTS},
    **{name: left_by(paper) for name, paper in PAPERS.items()},
}

for what, folders in CLEANED.items():

    rule:
        name:
            f"clean_{what}"
        localrule: True
        params:
            results=CONFIG.results,
            folders=folders,
        script:
            "../scripts/clean.py"
