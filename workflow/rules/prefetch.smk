# Published data, hub models and packaged files: fetched by `snakemake prefetch`, the one rule that asks the network; other jobs run without.
#   snakemake prefetch --configfile mine.yaml
from anatomy.errors import AnatomyError
from snakemake.exceptions import WorkflowError

SAID = set()


def at_hand(look, *arguments):
    """Files that are at hand. What is not stops a run before any job; dry runs and summaries only say so, once."""
    try:
        return look(CONFIG, ENTRIES, *arguments)
    except AnatomyError as error:
        if workflow.executor_plugin is not None and not workflow.dryrun:
            raise WorkflowError(str(error))
        if str(error) not in SAID:
            print(f"a run would stop here:\n{error}", file=sys.stderr)
        SAID.add(str(error))
        return []


rule prefetch:
    localrule: True
    params:
        config=lambda wildcards: config,
    script:
        "../scripts/prefetch.py"
