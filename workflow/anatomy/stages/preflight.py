"""A run's models examined before anything of it is computed: what the configuration asks, against folder and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import AnatomyError
from anatomy.interventions.edits.inventory import editable_writers, require_inputs
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.four_bits import require_roundable
from anatomy.models.machine.formats import resolved
from anatomy.models.machine.memory import Machine
from anatomy.models.preflight.architecture import read_architecture, require_architecture
from anatomy.models.preflight.folder import folder_notes, folder_problems
from anatomy.models.preflight.number_format import formats_refused_in, refused_formats
from anatomy.models.preflight.report import ModelNeeds, ModelReport, examine_model
from anatomy.models.rendering import Rendering
from anatomy.models.rendering_facts import describe_rendering
from anatomy.models.sites import BLOCK_SITES
from anatomy.models.tokenizer import load_tokenizer
from anatomy.serving.limits import refuse_long_context, refuse_without_eyes
from anatomy.stages.rendering import answer_rendering, contrast_rendering

Prompts = Mapping[str, Sequence[str]]
"""Texts by the name of their set."""


def require_usable(folder: Path, subject: Subject) -> list[str]:
    """What a model's card may not be written without: a known architecture, files that agree, a template for every contrast.

    Returns:
        What a reader should know of how the model is spoken to, one sentence each: a system prompt that its template writes
        by itself, one that is folded into the user's turn, a thinking span; and of what lies unused in the folder.

    Raises:
        ModelError: see ``require_architecture``, ``folder_problems`` and ``describe_rendering``.
        ConfigError: a number format that it cannot be computed in.
    """
    require_architecture(read_architecture(folder), str(folder))
    tokenizer = load_tokenizer(folder)
    checkpoint = Checkpoint(folder)
    dtype = resolved(subject.dtype, refused_formats(checkpoint.config))
    for problem in folder_problems(folder, checkpoint, tokenizer, dtype, f"models.{subject.id}.dtype"):
        raise problem
    notes = list(folder_notes(folder, checkpoint, tokenizer))
    for contrast in subject.extracted:
        # Whether the template takes a system prompt is known before its wording is.
        notes += describe_rendering(
            tokenizer,
            Rendering(
                template=subject.template,
                date=subject.date,
                thinking=subject.thinking,
                fold_system=subject.fold_system,
                system=None if contrast == "plain" else "Be careful.",
            ),
        ).notes
    return list(dict.fromkeys(notes))


def renderings_of(config: Config, subject: Subject) -> dict[str, Rendering]:
    """How a run speaks to a model: under each contrast, and where it answers."""
    found: dict[str, Rendering] = {
        contrast: contrast_rendering(config.extraction, subject, contrast) for contrast in subject.extracted
    }
    return {**found, "answers": answer_rendering(config.evaluation, subject)}


def examine(
    config: Config,
    subject: Subject,
    folder: Path,
    prompts: Prompts,
    machine: Machine,
    sites: Sequence[str] = BLOCK_SITES,
    inputs_at: Sequence[str] = (),
) -> ModelReport:
    """Examine one model against everything the configuration asks of it (see ``examine_model``).

    Args:
        sites: matrices that later jobs will edit.
        inputs_at: matrices whose mean inputs they need.
    """
    report = examine_model(
        folder,
        ModelNeeds(
            dtype=resolved(subject.dtype, formats_refused_in(folder)),
            option=f"models.{subject.id}.dtype",
            renderings=renderings_of(config, subject),
            prompts=prompts,
            max_new_tokens=config.evaluation.max_new_tokens,
            max_model_len=config.serving.max_model_len,
            kv_cache_bytes=config.serving.kv_cache_bytes,
            sequences=config.serving.batch_size,
            step_tokens=config.extraction.token_budget,
        ),
        machine,
    )
    if report.size is None:
        return report
    # What a card and an engine would refuse later.
    found, checkpoint = list(report.problems), Checkpoint(folder)
    length = config.serving.max_model_len
    in_4bit = subject.id in config.models and config.models[subject.id].measure_in_4bit
    for check in (
        *([lambda: require_roundable(checkpoint)] if in_4bit else []),
        lambda: editable_writers(checkpoint, sites),
        lambda: require_inputs(checkpoint, inputs_at),
        lambda: refuse_long_context(checkpoint, length),
        lambda: refuse_without_eyes(checkpoint),
    ):
        try:
            check()
        except AnatomyError as problem:
            found.append(problem)
    return replace(report, problems=tuple(found))
