"""What a run will take, before it starts."""

from pathlib import Path

from anatomy.progress.terminal import let_output_go
from anatomy.runs.planning.plan import plan_of
from anatomy.runs.planning.plan_text import plan_lines
from anatomy.serving.environment import installed_set

let_output_go()

found = plan_of(Path(snakemake.params.snakefile), snakemake.params.config, on_gpu=installed_set() == "cuda")
print("\n".join(plan_lines(found)))
