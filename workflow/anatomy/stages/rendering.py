"""The rendering of a contrast: what surrounds the prompts whose activations make a direction."""

from __future__ import annotations

from anatomy.config.methods import Contrast, Evaluation, Extraction
from anatomy.config.study import Subject
from anatomy.models.rendering import Rendering
from anatomy.organism.wording import SAFETY_LINE


def contrast_rendering(extraction: Extraction, subject: Subject, contrast: Contrast) -> Rendering:
    """Plain, or under a safety system prompt (ROSI section 3.3: elicits refusal from uncensored models).

    The organism knows one safety line, which its post-training used; models of your own take the configured text.
    """
    if contrast == "plain":
        return _rendering(subject, None)
    return _rendering(subject, SAFETY_LINE if subject.is_organism else extraction.safety_system_prompt)


def answer_rendering(evaluation: Evaluation, subject: Subject) -> Rendering:
    """What surrounds the prompts that are answered, in every phase and on every backend."""
    return _rendering(subject, evaluation.system)


def _rendering(subject: Subject, system: str | None) -> Rendering:
    return Rendering(
        template=subject.template, date=subject.date, system=system, thinking=subject.thinking, fold_system=subject.fold_system
    )
