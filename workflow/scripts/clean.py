"""Remove assembled results; the store keeps their rows, so making them again costs no model load."""

import shutil
from pathlib import Path

from anatomy.progress.terminal import let_output_go

let_output_go()
for folder in snakemake.params.folders:
    path = Path(snakemake.params.results) / folder
    if path.exists():
        shutil.rmtree(path)
        print(f"removed {path}")
print(
    "What was made of it stays and asks for nothing: name a stage or a model (stage_judge, model_...) "
    "to have it made again; of PASTA, clean_pasta and then pasta."
)
