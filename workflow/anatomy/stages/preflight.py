"""A run's models examined before anything of it is computed: what the configuration asks, against folder and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.models.machine.formats import resolved
from anatomy.models.machine.memory import Machine
from anatomy.models.preflight.architecture import read_architecture, require_architecture
from anatomy.models.preflight.report import ModelNeeds, ModelReport, examine_model
from anatomy.models.rendering import Rendering
from anatomy.models.rendering_facts import describe_rendering
from anatomy.models.tokenizer import load_tokenizer
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
    tokenizer = load_tokenizer(folder)
    notes: list[str] = []
    for contrast in subject.contrasts:
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
        contrast: contrast_rendering(config.extraction, subject, contrast) for contrast in subject.contrasts
    }
    return {**found, "answers": answer_rendering(config.evaluation, subject)}


def examine(config: Config, subject: Subject, folder: Path, prompts: Prompts, machine: Machine) -> ModelReport:
    """Examine one model against everything the configuration asks of it (see ``examine_model``)."""
    return examine_model(
        folder,
        ModelNeeds(
            dtype=resolved(subject.dtype),
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
