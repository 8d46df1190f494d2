"""Remove assembled results; the store keeps their rows, so making them again costs no model load."""

import shutil
from pathlib import Path

from anatomy.progress.terminal import let_output_go

let_output_go()
for folder in snakemake.params.folders:
    path = Path(snakemake.params.results) / folder
    if path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        print(f"removed {path}")
print(
    "What was made of it stays and asks for nothing: name a stage, a model or a paper (stage_judge, model_..., "
    "its own name) to have it made again."
)
