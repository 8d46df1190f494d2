# alignment-anatomy: from raw prompt pairs to a tested report. What a run is made of stands in config/, how a stage works in
# workflow/rules/ and workflow/anatomy/, where it runs in workflow/profiles/.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, f"{workflow.basedir}/workflow")
os.environ["PYTHONPATH"] = f"{workflow.basedir}/workflow"

from anatomy.recipes.configuration import check_config
from anatomy.config.options import options
from anatomy.config.study import Layout, subjects, target_names
from anatomy.recipes import missing_data
from anatomy.recipes.asked_variants import asked_options, drawn_controls, everyone, inputs_at, target_modules
from anatomy.runs.controller.interpreter import name_plainly
from anatomy.runs.controller.named_papers import join_named_papers
from anatomy.runs.controller.standing import cores_given, read_config_from_there, require_writable
from anatomy.runs.controller.supervise import supervise
from anatomy.recipes.prompt_needs import named_entries, phases_of, read_phases, with_what_is_here
from anatomy.recipes.registry import known, name_of, rules_file
from anatomy.runs.resources.threads import keep_threads, with_threads
from anatomy.serving.environment import installed_set
from anatomy.stages.fingerprints import code_of, keep_code_parts, stage_fingerprint


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


name_plainly()
require_writable(Path.cwd())
read_config_from_there(workflow, config)
join_named_papers(config, sys.argv, known())
CONFIG = check_config(config, ", ".join(map(str, workflow.configfiles)))
ENTRIES = named_entries(CONFIG)
CONFIG = with_threads(with_what_is_here(CONFIG, ENTRIES), on_gpu=installed_set() == "cuda", at_most=cores_given(workflow))
PHASES = phases_of(CONFIG)  # prompt sets that papers read
READ = read_phases(CONFIG)  # and those that models are trained on
PAPERS = known(CONFIG.recipes)  # every paper, by name
CHOSEN = {name_of(entry): PAPERS[name_of(entry)] for entry in CONFIG.recipes}  # those of the default target
OPTIONAL = {name for paper in PAPERS.values() for name in paper.optional(CONFIG)}
SUBJECTS = {subject.id: subject for subject in subjects(CONFIG)}
EVERYONE = {subject.id: subject for subject in everyone(CONFIG)}
NOBODY = "(?!)"  # matches no name: a stage's rule as it stands, which papers use with inputs and outputs of their own
AT = Layout(CONFIG.results)
SCRIPTS = f"{workflow.basedir}/workflow/scripts"  # for rules that stand in other files than those they are made from
supervise(workflow, CONFIG.results)


wildcard_constraints:
    model="|".join(map(re.escape, EVERYONE)),
    seed="|".join(sorted({str(subject.seed) for subject in EVERYONE.values() if subject.is_organism})) or "none",
    member="|".join(sorted({re.escape(subject.member) for subject in EVERYONE.values() if subject.is_organism})) or "none",
    phase="select|test",
    bucket="|".join(map(str, range(CONFIG.serving.buckets))),
    judge="|".join(map(re.escape, CONFIG.model_judges)) or "none",


# Reading and writing small files, weights for their digest: on a cluster they run beside Snakemake itself.
localrules:
    all,
    model_card,
    judge_card,
    prompt_set,
    push_export,


def own_jobs():
    """Modules of papers' own jobs, makers of edits and reports, as their rules name them."""
    jobs = [getattr(rule.params, "module", None) for rule in workflow.rules]
    makers = [getattr(rule.params, "maker", "").partition(":")[0] for rule in workflow.rules]
    return sorted({*filter(None, [*jobs, *makers]), *(paper.report for paper in PAPERS.values())})


onstart:
    from anatomy.runs.provenance.reproduction import keep_configuration

    keep_code_parts(Path(AT.store), own_jobs(), [asking for paper in PAPERS.values() for asking in paper.asking])
    # A result that is made again elsewhere is made on as many threads.
    keep_configuration(Path(CONFIG.results), {**config, "serving": {**config["serving"], "threads": CONFIG.serving.threads}})
    keep_threads(CONFIG, config["serving"]["threads"])


rule all:
    input:
        lambda wildcards: [file for paper in CHOSEN.values() for file in end_of(paper)],


include: "workflow/rules/prefetch.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/localize.smk"
include: "workflow/rules/make.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/judge.smk"


# All rule files share one namespace, in which a paper must leave what is there as it is.
for NAME in PAPERS:
    BEFORE = {name: value for name, value in globals().items() if name not in ("BEFORE", "REPLACED") and name.isidentifier()}

    include: str(rules_file(NAME, Path(workflow.basedir) / "workflow" / "rules"))

    if REPLACED := sorted(name for name, value in BEFORE.items() if globals()[name] is not value):
        raise WorkflowError(
            f"the rules of {NAME} give {', '.join(REPLACED)} another meaning, which other rules use; call them otherwise "
            f"(for example {NAME}_{REPLACED[0].lower()})"
        )


include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/targets.smk"
