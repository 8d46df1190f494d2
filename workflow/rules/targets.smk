# Names a user can ask for: a paper, a stage, a model; and looking after what is there.
#   snakemake rosi   snakemake pasta   snakemake stage_extract   snakemake model_weak_s0   snakemake figures
#   snakemake plan   snakemake status   snakemake disk   snakemake verify   snakemake garbage   snakemake clean_weak_s0   snakemake clean_judge
STAGE_FILES = {
    "extract": ["extract/{model}/card.json"],
    "localize": ["localize/{model}/shortlist.json"],
    "edit": ["edit/{model}/selected.json"],
    "evaluate": [f"evaluate/{{model}}/test.{bucket}.completions.parquet" for bucket in range(CONFIG.serving.buckets)],
    "judge": ["judge/{model}/test.parquet", "judge/{model}/measure.parquet"],
    "measure": ["measure/{model}/completions.parquet"],
}
ALIASES = {"generate": "evaluate", "benchmark": "evaluate"}


def stage_files(stage, models):
    """What a stage makes for some models."""
    files = [f"{CONFIG.results}/{file.format(model=model)}" for file in STAGE_FILES[stage] for model in models]
    return files + [file for model in models for file in model_judged(model)] if stage == "judge" else files


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


rule rosi:
    input:
        f"{CONFIG.results}/report.html",
    localrule: True


rule pasta:
    input:
        lambda wildcards: pasta_files(),
    localrule: True


def pasta_files():
    """What PASTA ends in; a clear failure where a run has no pair."""
    if not asked_pairs(CONFIG):
        raise WorkflowError(f"pasta: no pair; found pasta.pairs {CONFIG.pasta.pairs}, and none of these models is studied here")
    return [f"{CONFIG.results}/pasta/report.html"]


rule status:
    localrule: True
    params:
        config=lambda wildcards: config,
        snakefile=workflow.main_snakefile,
        store=AT.store,
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


FOLDERS = [*STAGE_FILES, "generate", "pasta"]


for what in [*FOLDERS, *SUBJECTS]:

    rule:
        name:
            f"clean_{TARGETS.get(what, what)}"
        localrule: True
        params:
            results=CONFIG.results,
            folders=[f"{what}"] if what in FOLDERS else [f"{stage}/{what}" for stage in FOLDERS],
        script:
            "../scripts/clean.py"
