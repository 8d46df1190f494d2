"""Human prefixes as a job reads them: what each side of a pair is shown, under what rendering, and how the human continued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.rendering import Rendering
from anatomy.organism import prefixes as organism
from anatomy.recipes.pasta.pairs import template_lender
from anatomy.recipes.pasta.stages.checked_prefixes import require_continuations
from anatomy.stages.generation_request import Manner
from anatomy.stages.lent_template import lent_rendering
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.texts.continuations.strategies import OPENING_TOKENS, WORDINGS, DomainWording, prompted


def phase_prefixes(config: Config, subject: Subject, phase: str) -> pd.DataFrame:
    """Prefixes of a phase, as a prompt table: ``prompt`` is the prefix, ``response`` the human's own continuation.

    Raises:
        DataError: no prefixes in this phase, or one without a continuation.
    """
    pasta = config.pasta
    limit = {"fit": pasta.fit_prefixes, "select": pasta.select_prefixes, "test": pasta.test_prefixes}[phase]
    rows = phase_prompts(Layout(config.results), subject, pasta.prefixes, phase, limit)
    require_continuations(rows, pasta.prefixes)
    return rows


def put(
    config: Config, subject: Subject, prefixes: pd.DataFrame, manner: Manner, tokenizer: Any
) -> list[tuple[Rendering, pd.DataFrame]]:
    """Prefixes as one side's prompts, by rendering: strategy D gives every domain a system prompt of its own.

    Args:
        prefixes: as ``phase_prefixes``.
        manner: ``document``: the base's side; ``chat``: the aligned model's.
        tokenizer: counts the opening that a request quotes.

    Returns:
        Renderings, each with the rows it is for; ``prompt`` is what the model is shown.
    """
    wordings: dict[str, DomainWording] = dict(organism.WORDINGS if subject.is_organism else WORDINGS)
    found = prompted(
        prefixes,
        config.pasta.strategy,
        "base" if manner == "document" else "aligned",
        wordings,
        tokenizer,
        opening_tokens=organism.OPENING_TOKENS if subject.is_organism else OPENING_TOKENS,
    )
    chat = chat_rendering(config, subject) if any(rendering.template for rendering in found.renderings.values()) else None
    ways: dict[Rendering, list[str]] = {}
    for category, rendering in found.renderings.items():
        way = rendering if chat is None or not rendering.template else replace(chat, system=rendering.system)
        ways.setdefault(way, []).append(category)
    return [(way, found.table[found.table["category"].isin(categories)]) for way, categories in ways.items()]


def chat_rendering(config: Config, subject: Subject) -> Rendering:
    """How a model is asked in a chat: a base without a template of its own as its aligned partner is.

    Raises:
        ModelError: as ``lent_rendering``.
    """
    lender = template_lender(config, subject)
    if lender is not None:
        return lent_rendering(config, lender, system=None)
    return replace(answer_rendering(config.evaluation, subject), template=True)
