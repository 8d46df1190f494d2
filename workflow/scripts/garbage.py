"""Rows that no table names any more."""

from pathlib import Path

from anatomy.progress.terminal import let_output_go
from anatomy.store.upkeep import collect_garbage

let_output_go()

results = Path(snakemake.params.results)
table = collect_garbage(results / "store", results, snakemake.params.delete)
verb = "removed" if snakemake.params.delete else "could be removed with the target remove_garbage"
print(f"{len(table)} cells, {table['bytes'].sum() / 1e6:.1f} MB, {verb}")
