"""Options for what jobs ask a scheduler for. None of it changes a number, and changing it reruns nothing."""

from __future__ import annotations

from pydantic import Field

from anatomy.config.section import Identifier, Section

Rule = str
"""A rule by its name; which there are depends on the papers of a run (``anatomy.recipes.configuration``)."""


class JobResources(Section):
    """What the jobs of a rule ask for; null leaves it to what is derived from the model's size."""

    mem_mb: int | None = Field(None, ge=1, description="main memory of the first attempt, in MB")
    runtime: int | None = Field(None, ge=1, description="time limit of the first attempt, in minutes")
    gpu: int | None = Field(None, ge=0, description="GPUs; for evaluate and judges also the tensor-parallel size")
    threads: int | None = Field(None, ge=1, description="CPU threads; of rules that load a model")


class ModelResources(Section):
    """What is known of one model or model judge."""

    billions: float | None = Field(None, gt=0, description="parameters; null reads them from its files, else from its name")
    rules: dict[Rule, JobResources] = Field({}, description="overrides for its jobs alone: {evaluate: {gpu: 4}}")


class Resources(Section):
    """What jobs ask a scheduler for, beyond what is derived from each model's size."""

    gpu_memory_gib: float = Field(
        80.0, gt=0, description="memory of one GPU, in GiB; a model is spread over as many GPUs as it needs"
    )
    gpus_per_node: int = Field(8, ge=1, description="GPUs of one machine; no job asks for more")
    gpu_teraflops: float = Field(
        250.0,
        gt=0,
        description="plan: speed of one GPU while it reads prompts, in 10^12 operations a second (2 operations for each "
        "parameter and token), until finished jobs tell more. Assumed: a quarter of an H100's 989",
    )
    core_gigaflops: float | None = Field(
        None,
        gt=0,
        description="plan: the same for one CPU core, in 10^9 operations a second; null: measured on this machine, in the "
        "model's shape and number format",
    )
    writing_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="plan: share of that speed while text is generated; null: on a CPU measured in the same way, and 0.15 "
        "on a GPU or where the speed is given",
    )
    growth: float = Field(1.5, ge=1, description="factor by which each further attempt gets more memory and time")
    rules: dict[Rule, JobResources] = Field(
        {}, description="what the jobs of a rule ask for instead: {evaluate: {mem_mb: 64000}}"
    )
    models: dict[Identifier, ModelResources] = Field(
        {},
        description="size of a model, judge or organism member, and what its jobs ask for instead: {mine: {billions: 8, "
        "rules: {evaluate: {gpu: 2}}}}",
    )
