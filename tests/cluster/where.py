"""Where a job ran and which GPUs it saw. Fails on all attempts before ``params.attempts``."""

import json
import os
from pathlib import Path

from anatomy.runs.job import job

with job(snakemake.rule, snakemake.log[0], gpus=snakemake.resources.get("gpu")) as run:
    if snakemake.params.get("attempts", 1) > snakemake.resources.attempt:
        raise MemoryError("as if it had needed more")
    Path(snakemake.output[0]).write_text(
        json.dumps(
            {
                "node": os.environ["SLURMD_NODENAME"],
                "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
                "granted": run.gpus,
                "attempt": snakemake.resources.attempt,
                "mem_mb": snakemake.resources.mem_mb,
            }
        )
    )
