"""Fetch what the configuration names; the one script that asks the network."""

from anatomy.config.load import check_config
from anatomy.errors import AnatomyError
from anatomy.progress.terminal import let_output_go
from anatomy.registry.prefetch import prefetch

let_output_go()

try:
    whole = prefetch(check_config(snakemake.params.config, "the configuration"), lambda text: print(text, flush=True))
except AnatomyError as error:
    raise SystemExit(str(error)) from None
if not whole:
    raise SystemExit("prefetch: not everything is here; what to do stands above")
