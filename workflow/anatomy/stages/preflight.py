"""A run's models examined before anything of it is computed: what the configuration asks, against folder and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.models.machine import Machine
from anatomy.models.rendering import Rendering
from anatomy.models.rendering_facts import describe_rendering
from anatomy.models.size import ModelSize
from anatomy.preflight.architecture import read_architecture, require_architecture
from anatomy.preflight.disk import DiskEstimate, RunCounts, estimate_disk
from anatomy.preflight.report import ModelNeeds, ModelReport, examine_model, open_tokenizer
from anatomy.recipes.rosi.families import drawn_controls, families
from anatomy.recipes.rosi.variants import variants_in_memory, variants_on_select, variants_on_test
from anatomy.recipes.variant import Variant
from anatomy.stages.rendering import answer_rendering, contrast_rendering

Prompts = Mapping[str, Sequence[str]]
"""Texts by the name of their set."""


def require_usable(folder: Path, subject: Subject) -> list[str]:
    """What a model's card may not be written without: a known architecture, and a template for every contrast.

    Returns:
        What a reader should know of how the model is spoken to, one sentence each: a system prompt that its template writes
        by itself, one that is folded into the user's turn, a thinking span.

    Raises:
        ModelError: see ``require_architecture`` and ``describe_rendering``.
    """
    require_architecture(read_architecture(folder), str(folder))
    tokenizer = open_tokenizer(folder)
    notes: list[str] = []
    for contrast in subject.contrasts:
        # Whether the template takes a system prompt is known before its wording is.
        notes += describe_rendering(tokenizer, Rendering(
            template=subject.template, date=subject.date, thinking=subject.thinking, fold_system=subject.fold_system,
            system=None if contrast == "plain" else "Be careful.")).notes
    return list(dict.fromkeys(notes))


def examine(config: Config, subject: Subject, folder: Path, prompts: Prompts, machine: Machine) -> ModelReport:
    """Examine one model against everything the configuration asks of it (see ``examine_model``)."""
    renderings = {contrast: contrast_rendering(config.extraction, subject, contrast) for contrast in subject.contrasts}
    return examine_model(folder, ModelNeeds(
        dtype=subject.dtype,
        renderings={**renderings, "answers": answer_rendering(config.evaluation, subject)},
        prompts=prompts,
        max_new_tokens=config.evaluation.max_new_tokens,
        max_model_len=config.serving.max_model_len,
        kv_cache_bytes=config.serving.kv_cache_bytes,
        sequences=config.serving.batch_size,
        step_tokens=config.extraction.token_budget,
    ), machine)


def count_run(config: Config, subject: Subject, prompts: Prompts, report: ModelReport) -> RunCounts:
    """What the run computes for one model, at most: searches that end early leave variants out."""
    select, test = variants_on_select(config, subject), variants_on_test(config, subject)
    answers = (_answers(select, prompts, config.evaluation.select_prompts)
               + _answers([*test, *variants_in_memory(config, subject)], prompts, config.evaluation.test_prompts))
    items = {"select": config.benchmarks.select_items, "test": config.benchmarks.test_items}
    benchmarked = sum(items[phase] for phase, variants in (("select", select), ("test", test))
                      for variant in variants if variant.benchmarked)
    methods = [family for family in families(config, subject) if not family.control]
    return RunCounts(
        contrasts=len(subject.contrasts),
        positions=max((len(facts.positions) for facts in report.renderings.values()), default=1),
        controls=drawn_controls(config, subject).total,
        adapters=max(len(select), len(test)),
        kept_adapters=len(methods),
        answers=answers,
        prompt_tokens=report.context.tokens // max(report.context.prompts, 1) if report.context else config.serving.max_model_len,
        max_new_tokens=config.evaluation.max_new_tokens,
        benchmark_rows=benchmarked * len(config.benchmarks.tasks),
    )


def disk(config: Config, subject: Subject, size: ModelSize, prompts: Prompts, report: ModelReport) -> DiskEstimate:
    """Room that one model's part of the run takes, and what is free under ``results``."""
    return estimate_disk(size, count_run(config, subject, prompts, report), Path(config.results))


def _answers(variants: Sequence[Variant], prompts: Prompts, limit: int) -> int:
    return sum(min(limit, len(prompts.get(name, ()))) for variant in variants for name in variant.sets)
