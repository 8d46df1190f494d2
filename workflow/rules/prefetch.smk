# Published data and hub models: fetched by `snakemake prefetch`, the one rule that asks the network; other jobs run without.
#   snakemake prefetch --configfile mine.yaml
from anatomy.errors import AnatomyError
from anatomy.sources.registry import at_hand
from anatomy.sources.registry.needs import named_entries, phases_of, with_what_is_here
from snakemake.exceptions import WorkflowError

ENTRIES = named_entries(CONFIG)
CONFIG = with_what_is_here(CONFIG, ENTRIES)
PHASES = phases_of(CONFIG)
PAIRS = {pair.aligned: pair for pair in pairs(CONFIG)}


SAID = set()


def here(look, *arguments):
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
