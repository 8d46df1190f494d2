"""What the job of a rule asks for: derived from its model, then overridden by the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil

from anatomy.config.resources import JobResources, Rule
from anatomy.config.schema import Config
from anatomy.costs.job_kind import JobKind
from anatomy.costs.job_kinds import kinds_of
from anatomy.models.machine.formats import foreseen
from anatomy.recipes.asked_variants import everyone
from anatomy.recipes.registry import known
from anatomy.runs.resources.needs import GIB, Load, gpus_for, gpus_to_spread, memory_mb, minutes, require_one_gpu
from anatomy.runs.resources.size import planned_size

OTHER_MB, OTHER_MINUTES = 1000, 15
"""Of rules that say nothing of their needs."""


@dataclass(frozen=True)
class Request:
    """What one job asks for.

    Attributes:
        mem_mb: main memory, in MB.
        runtime: time limit, in minutes.
        gpu: GPUs.
        threads: CPU threads.
    """

    mem_mb: int
    runtime: int
    gpu: int
    threads: int


class Requests:
    """The requests of a run's jobs. Reads headers of model files at most, and nothing under ``results``.

    Args:
        config: the configuration.
        on_gpu: whether models run on GPUs, which the installed set of packages decides.
    """

    def __init__(self, config: Config, on_gpu: bool) -> None:
        self.config, self.on_gpu = config, on_gpu
        self.subjects = {subject.id: subject for subject in everyone(config)}
        self.kinds = kinds_of({name: paper.jobs for name, paper in known(config.recipes).items()})
        self.size_of = cache(lambda name: planned_size(config, name))

    def of(self, rule: Rule, wildcards: Mapping[str, str], attempt: int = 1) -> Request:
        """The request of a job.

        Args:
            wildcards: of the job; they say which model is loaded.
            attempt: 1, 2, ...; memory and time grow with it, those of overrides too.

        Raises:
            ConfigError: the model does not fit the GPUs of one machine.
        """
        growth = self.config.resources.growth ** (attempt - 1)
        name, member = self._loaded(rule, wildcards)
        request = self._derived(rule, None if member else name)
        for override in self._overrides(rule, name):
            request = replace(request, **override.model_dump(exclude_none=True, exclude=None if self.on_gpu else {"gpu"}))
        return replace(request, mem_mb=ceil(request.mem_mb * growth), runtime=ceil(request.runtime * growth))

    def _loaded(self, rule: Rule, wildcards: Mapping[str, str]) -> tuple[str | None, bool]:
        """The configuration's name of what a job is about, and whether that is a member of the organism."""
        if "member" in wildcards:
            return wildcards["member"], True
        name = self.kinds[rule].model(self.config, wildcards)
        if name is None or name not in self.subjects:
            return name, False
        subject = self.subjects[name]
        return (subject.member, True) if subject.is_organism else (subject.id, False)

    def _derived(self, rule: Rule, name: str | None) -> Request:
        need, threads = self.kinds[rule].need, self.config.serving.settled_threads
        if need is None:
            return Request(OTHER_MB, OTHER_MINUTES, 0, 1)
        if need.backend is None:
            return Request(need.mem_mb, need.minutes, 0, 1)
        gpu = int(self.on_gpu and self.kinds[rule].opens)
        if name is None:
            return Request(need.mem_mb, need.minutes, gpu, threads)
        size, load = self.size_of(name), self._load(name, self.kinds[rule])
        if gpu and self._stated_gpus(rule, name) is None:
            gpu_bytes, where = int(self.config.resources.gpu_memory_gib * GIB), f"{rule} of {name}"
            most = self.config.resources.gpus_per_node
            if need.backend == "vllm":
                gpu = gpus_for(size, load, gpu_bytes, most, where)
            elif self.kinds[rule].spreads:
                gpu = gpus_to_spread(size, load, gpu_bytes, most, where)
            else:
                require_one_gpu(size, load, gpu_bytes, where)
        return Request(memory_mb(size, need.backend, load, gpu=self.on_gpu), minutes(need, size), gpu, threads)

    def _load(self, name: str, kind: JobKind) -> Load:
        config, judge = self.config, self.config.model_judges.get(name)
        dtype = self.config.models[name].dtype if judge is None else judge.dtype
        return Load(
            dtype=foreseen(dtype, self.on_gpu),
            length=config.serving.max_model_len if judge is None else judge.max_model_len,
            sequences=config.serving.batch_size,
            step_tokens=config.extraction.token_budget,
            kv_cache_bytes=config.serving.kv_cache_bytes,
            in_4bit=kind.measures and judge is None and config.models[name].measure_in_4bit,
        )

    def _overrides(self, rule: Rule, name: str | None) -> list[JobResources]:
        """Of the stage that a paper uses, of the rule, then the same for this model, which wins."""
        resources = self.config.resources
        own = resources.models[name].rules if name in resources.models else {}
        shared = rule.partition("_")[2]  # a paper's use of a stage begins with the paper's name
        names = [name for name in (shared, rule) if name == rule or self.kinds.get(name) is not None]
        return [rules[name] for rules in (resources.rules, own) for name in names if name in rules]

    def _stated_gpus(self, rule: Rule, name: str) -> int | None:
        """A count that was given, so that a model whose own would be refused can still be planned."""
        stated = [override.gpu for override in self._overrides(rule, name) if override.gpu is not None]
        return stated[-1] if stated else None
