# alignment-anatomy: from raw prompt pairs to a tested report. What a run is made of stands in config/, how a stage works in
# workflow/rules/ and workflow/anatomy/, where it runs in workflow/profiles/.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, f"{workflow.basedir}/workflow")
os.environ["PYTHONPATH"] = f"{workflow.basedir}/workflow"

from anatomy.config.load import check_config
from anatomy.config.options import options
from anatomy.config.study import Layout, subjects, target_names
from anatomy.runs.controller.interpreter import name_plainly
from anatomy.runs.controller.standing import read_config_from_there, require_writable
from anatomy.runs.controller.supervise import supervise
from anatomy.stages.fingerprints import keep_code_parts, stage_fingerprint
from anatomy.recipes.pasta.pairs import SCORER_PHASES, asked_pairs, pairs, relatives, roles


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


name_plainly()
require_writable(Path.cwd())
read_config_from_there(workflow, config)
CONFIG = check_config(config, ", ".join(map(str, workflow.configfiles)))
SUBJECTS = {subject.id: subject for subject in subjects(CONFIG)}
EVERYONE = {**SUBJECTS, **{subject.id: subject for subject in relatives(CONFIG)}}
AT = Layout(CONFIG.results)
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


onstart:
    from anatomy.runs.provenance.reproduction import keep_configuration

    keep_code_parts(Path(AT.store))
    keep_configuration(Path(CONFIG.results), config)


rule all:
    input:
        [f"{CONFIG.results}/report.html"] if "rosi" in CONFIG.recipes else [],
        lambda wildcards: pasta_files() if "pasta" in CONFIG.recipes else [],


include: "workflow/rules/prefetch.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/localize.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/edit.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/targets.smk"
