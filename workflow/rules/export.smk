# Edited checkpoints for other tools, outside results and behind the gate. None is made unless asked for:
#   snakemake export_weak_s0_projection --config 'export={to: ../exports}'
from anatomy.errors import ConfigError

EXPORTABLE = {
    subject.id: sorted({name for paper in PAPERS.values() for name in paper.exported(CONFIG, subject)})
    for subject in SUBJECTS.values()
}


wildcard_constraints:
    family="|".join(sorted({re.escape(family) for names in EXPORTABLE.values() for family in names})),


def destination(wildcards):
    """The exported folder. A run without one fails while it is planned, before any job."""
    folder = CONFIG.export.folder(wildcards.model, wildcards.family)
    if folder is None:
        raise ConfigError(
            found="export.to: null",
            expected="a folder outside results",
            where="the configuration",
            remedy="name one: --config 'export={to: ../exports}'",
        )
    return str(folder)


def exporting():
    """Everything an export depends on; whether it is pushed afterwards does not count."""
    sections = options(CONFIG, "evaluation", "judges", "statistics", "export")
    sections["export"].pop("push")
    return sections


rule export_pick:
    input:
        model=AT.model("{model}"),
        adapters=AT.stage("edit", "{model}", "adapters.json"),
        completions=lambda wildcards: buckets(wildcards.model, "test", "completions"),
        judgements=AT.stage("judge", "{model}", "test.parquet"),
        samples=lambda wildcards: buckets(wildcards.model, "test", "samples"),
        variants=lambda wildcards: buckets(wildcards.model, "test", "variants"),
        tasks=lambda wildcards: buckets(wildcards.model, "test", "tasks", "json"),
        ledger=f"{CONFIG.results}/claims/ledger.parquet",
    output:
        record=AT.stage("export", "{model}", "{family}.json"),
    log:
        AT.stage("export", "{model}", "{family}.log"),
    benchmark:
        AT.stage("export", "{model}", "{family}.tsv")
    threads: threads_of("export_pick")
    resources:
        **needs("export_pick"),
    params:
        options=exporting(),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        to=destination,
        code=stage_fingerprint("export"),
    script:
        "../scripts/export.py"


# Only asked for where export.push.hub names a repository.
rule push_export:
    input:
        record=rules.export_pick.output.record,
    output:
        pushed=AT.stage("export", "{model}", "{family}.pushed.json"),
    log:
        AT.stage("export", "{model}", "{family}.pushed.log"),
    params:
        options=options(CONFIG, "export"),
    script:
        "../scripts/push.py"


EXPORTS = target_names(f"{model}_{family}" for model, names in EXPORTABLE.items() for family in names)

for model, names in EXPORTABLE.items():
    for family in names:

        rule:
            name:
                f"export_{EXPORTS[f'{model}_{family}']}"
            input:
                AT.stage("export", model, f"{family}.json" if CONFIG.export.push.hub is None else f"{family}.pushed.json"),
            localrule: True
