"""How much room the results take."""

from pathlib import Path

from anatomy.progress.terminal import let_output_go
from anatomy.store.upkeep import size

let_output_go()

results = Path(snakemake.params.results)
for folder in sorted(path for path in results.iterdir() if path.is_dir()):
    print(f"{size(folder) / 1e6:10.1f} MB  {folder}")
print(f"{size(results) / 1e6:10.1f} MB  in all")
