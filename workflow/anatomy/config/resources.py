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

    gpu_memory_gib: float = Field(80.0, gt=0, description="memory of one GPU; models are spread over as many as they need")
    gpus_per_node: int = Field(8, ge=1, description="GPUs of one machine; no job asks for more")
    gpu_teraflops: float = Field(
        250.0,
        gt=0,
        description="plan: operations (2 a parameter and token) that one GPU sustains while it reads prompts, in "
        "10^12 a second, until finished jobs say more; assumed: a quarter of an H100's 989",
    )
    core_gigaflops: float | None = Field(
        None,
        gt=0,
        description="plan: the same of one CPU core, in 10^9 a second; null: measured on this machine, in the "
        "model's shape and number format",
    )
    writing_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="plan: share of that rate while text is generated; null: measured likewise on a CPU, 0.15 "
        "where the rate is stated or a GPU's",
    )
    growth: float = Field(1.5, ge=1, description="memory and time of each further attempt, relative to the one before")
    rules: dict[Rule, JobResources] = Field({}, description="overrides of a rule's jobs: {evaluate: {mem_mb: 64000}}")
    models: dict[Identifier, ModelResources] = Field(
        {}, description="overrides of a model, judge or organism member: {mine: {billions: 8, rules: {evaluate: {gpu: 2}}}}"
    )
