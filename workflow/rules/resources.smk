# What every job asks a scheduler for: the one place where rules meet anatomy.runs.resources. On this machine memory bounds how many
# run at a time, and time is told and not enforced; on a cluster both reach the scheduler, and grow with each attempt (retries
# stand in the profile).
from anatomy.runs.resources.requests import Requests
from anatomy.serving.environment import installed_set

REQUESTS = Requests(CONFIG, on_gpu=installed_set() == "cuda")


def needs(rule):
    """Memory (MB), time limit (minutes) and, with packages for GPUs, how many of these a rule's jobs want. And the threads that a
    job computes on, since results may depend on them: where a run is given fewer cores than it began with, Snakemake cuts
    `threads` to these, and the job starts as many as before all the same.
    """
    found = {field: asked(rule, field) for field in ("mem_mb", "runtime", *(["gpu"] if REQUESTS.on_gpu else []))}
    return {**found, "computing_threads": asked(rule, "threads")}


def asked(rule, field):
    return lambda wildcards, attempt: getattr(REQUESTS.of(rule, dict(wildcards.items()), attempt), field)


def threads_of(rule):
    """CPU threads of a rule's jobs that load a model."""
    return lambda wildcards: REQUESTS.of(rule, dict(wildcards.items())).threads
