"""Fetch what the configuration names; the one script that asks the network."""

from anatomy.errors import AnatomyError
from anatomy.progress.counting import reporting
from anatomy.progress.terminal import let_output_go
from anatomy.recipes.configuration import check_config
from anatomy.recipes.prefetch import prefetch
from anatomy.runs.screen.reports import JobReporter

let_output_go()


def say(text):
    """One line, at once."""
    print(text, flush=True)


try:
    with reporting(JobReporter(None, say)):
        whole = prefetch(check_config(snakemake.params.config, "the configuration"), say)
except AnatomyError as error:
    raise SystemExit(str(error)) from None
if not whole:
    raise SystemExit("prefetch: not everything is here; what to do stands above")
