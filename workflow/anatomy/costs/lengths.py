"""How long rendered prompts are: from a model's own tokenizer and template where these are here, else assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from statistics import fmean

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import AnatomyError

LETTERS = 4.0
"""Letters of a token in English, where there is text but no tokenizer."""

ENOUGH = 400
"""Prompts that are rendered at most: their mean length is known well before that."""


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of rendered prompts.

    Attributes:
        tokens: of a whole prompt.
        shared: of what all prompts begin with: the template in front of the instruction.
        system: that a safety system prompt adds to both.
        positions: template tokens behind the instruction, at which directions are read.
    """

    tokens: float
    shared: float = 0.0
    system: float = 0.0
    positions: int = 5

    def under(self, contrast: str) -> Lengths:
        """Of prompts under a contrast."""
        more = self.system if contrast == "system" else 0.0
        return replace(self, tokens=self.tokens + more, shared=self.shared + more)

    def of_texts(self, letters: float) -> Lengths:
        """The same template around texts of so many letters on average."""
        return replace(self, tokens=self.shared + self.positions + letters / LETTERS)


ASSUMED = Lengths(60.0, 25.0, 30.0, 5)
"""Of models whose tokenizer is not here: some 20 tokens of a request (AdvBench, Alpaca) in the template of Llama 3 or Qwen, which
write a system turn of their own and have 5 positions (Arditi et al. 2024, appendix C.3). Jailbreak prompts are several times
longer."""

ORGANISM = Lengths(14.0, 2.0, 20.0, 3)
"""Of the organism: its request and look-alike sets under its template, seed 0."""


def lengths(config: Config, subject: Subject, texts: Sequence[str], folder: Path | None) -> Lengths:
    """Mean lengths of a model's prompts.

    Args:
        texts: prompts, as far as they are known.
        folder: of the model; None where it is not here.
    """
    if subject.is_organism:
        return ORGANISM
    if folder is None or not texts:
        return ASSUMED.of_texts(float(fmean(map(len, texts)))) if texts else ASSUMED
    try:
        return rendered_lengths(config, subject, list(texts), folder)
    except (AnatomyError, OSError, ValueError):  # its card tells what is wrong with it
        return ASSUMED.of_texts(float(fmean(map(len, texts))))


def rendered_lengths(config: Config, subject: Subject, texts: list[str], folder: Path) -> Lengths:
    """The same from the model's tokenizer.

    Raises:
        AnatomyError: the tokenizer does not open, or the template does not take the prompts.
    """
    from anatomy.models.rendering import render, template_positions
    from anatomy.models.tokenizer import load_tokenizer
    from anatomy.stages.rendering import answer_rendering, contrast_rendering

    tokenizer, answers = load_tokenizer(folder), answer_rendering(config.evaluation, subject)
    sample = texts[:: max(1, len(texts) // ENOUGH)]
    rendered = render(tokenizer, sample, answers)
    mean, positions = float(fmean(map(len, rendered))), len(template_positions(tokenizer, answers))
    # Two texts that differ from the first letter on: what they share is template.
    shared = float(common(*render(tokenizer, ["a", "Z"], answers)))
    more = 0.0
    if "system" in subject.contrasts:
        under = contrast_rendering(config.extraction, subject, "system")
        more = fmean(map(len, render(tokenizer, sample[:8], under))) - fmean(map(len, rendered[:8]))
    return Lengths(mean, shared, max(0.0, float(more)), positions)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
