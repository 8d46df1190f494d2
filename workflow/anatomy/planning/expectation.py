"""How long jobs are expected to take on this machine, for whoever shows the time left of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from statistics import fmean

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.machine.rate import BlockShape, Rates, machine_rates
from anatomy.planning.jobs import Work
from anatomy.planning.speed import OTHER_SECONDS, START_SECONDS, Speed
from anatomy.recipes.pasta.pairs import pairs, relatives
from anatomy.registry.catalogue import load_catalogue
from anatomy.resources.size import ASSUMED, typical_size


class Expectation:
    """Expected seconds of jobs, from the configuration and this machine's rate.

    Cheap enough for the controller of a run: it imports neither torch nor transformers. The first question about a model costs
    two or three seconds, in which a process of its own measures the rate for that shape and format; further ones cost nothing.

    Args:
        config: of the run.
        records: of finished jobs (``anatomy.provenance.record.read_records``), which correct the rates.
        on_gpu: whether jobs run on GPUs.
        rates: measures this machine.
    """

    def __init__(self, config: Config, records: Iterable[Mapping] = (), *, on_gpu: bool = False,
                 rates: Callable[[BlockShape, str, int], Rates] = machine_rates) -> None:
        self.work = Work(config, load_catalogue(config.data.registry), tokenizers=False)
        self.on_gpu, speed = on_gpu, Speed(config.resources, rates=rates)
        self.speed = Speed(config.resources, self.work.finished(records, speed), rates)

    def seconds(self, rule: str, wildcards: Mapping[str, str], threads: int = 1) -> float:
        """Seconds of one job, alone on its cores; of a model whose size nothing says, as of one of the usual size.

        Args:
            wildcards: of the job, by name.
            threads: CPU threads that Snakemake gives it.
        """
        job = self.work.job(rule, wildcards, threads, self.on_gpu and self.work.loaded(rule, wildcards) is not None)
        known = self.speed.seconds(replace(job, size=typical_size(ASSUMED), unknown=False) if job.unknown else job)
        return float(START_SECONDS.get(rule, OTHER_SECONDS) if known is None else known)


def expected_seconds(config: Config, records: Iterable[Mapping] = (), *, on_gpu: bool = False,
                     rates: Callable[[BlockShape, str, int], Rates] = machine_rates) -> dict[str, float]:
    """Mean expected seconds of a job by rule, for every rule that a run of this configuration may have (see ``Expectation``)."""
    expectation = Expectation(config, records, on_gpu=on_gpu, rates=rates)
    found: dict[str, list[float]] = {rule: [float(seconds)] for rule, seconds in START_SECONDS.items()}
    for rule, jobs in study_jobs(config).items():
        if jobs:
            found[rule] = [expectation.seconds(rule, wildcards, threads_of(config, rule, wildcards)) for wildcards in jobs]
    return {rule: fmean(seconds) for rule, seconds in found.items()}


def study_jobs(config: Config) -> dict[str, list[dict[str, str]]]:
    """Jobs that pass tokens through models, by rule: their wildcards, as a run from nothing has them."""
    rosi = [subject.id for subject in subjects(config)] if "rosi" in config.recipes else []
    buckets = [str(bucket) for bucket in range(config.serving.buckets)]
    own = [name for name in rosi if name in config.models]
    found = {
        "organism_member": [{"seed": str(subject.seed), "member": subject.member}
                            for subject in [*subjects(config), *relatives(config)] if subject.is_organism],
        **{rule: [{"model": model} for model in rosi] for rule in ("extract", "localize", "measure")},
        "evaluate": [{"model": model, "phase": phase, "bucket": bucket}
                     for model in rosi for phase in ("select", "test") for bucket in buckets],
        "model_judge": [{"model": model, "judge": judge, "pass_": passed}
                        for model in own for judge in config.model_judges for passed in ("test", "measure")],
    }
    if "pasta" in config.recipes:
        found |= {rule: list(jobs) for rule, jobs in _pasta_jobs(config).items()}
    return found


def _pasta_jobs(config: Config) -> dict[str, Iterator[dict[str, str]]]:
    studied = [pair.aligned for pair in pairs(config)]
    members = dict.fromkeys(model for pair in pairs(config) for model in pair.roles.values())
    return {"generate": ({"model": model, "phase": phase} for model in members for phase in ("fit", "select", "test")),
            "signature": ({"model": model} for model in studied),
            "detect": ({"model": model, "pass_": f"pasta.{phase}"} for model in studied for phase in ("select", "test"))}


def threads_of(config: Config, rule: str, wildcards: Mapping[str, str]) -> int:
    """CPU threads of a job, unless ``resources.rules`` says otherwise."""
    if rule == "organism_member":
        return config.organism.base_threads if wildcards["member"] == "base" else config.organism.threads
    stated = config.resources.rules.get(rule)
    return config.serving.threads if stated is None or stated.threads is None else stated.threads
