"""A chat for a base that has no chat template: it is spoken to as its aligned partner is."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout
from anatomy.models.chat_template import template_of
from anatomy.models.rendering import Rendering
from anatomy.models.tokenizer import load_tokenizer
from anatomy.stages.card import read_card

PINS: tuple[str, ...] = ("torch", "transformers")


def lent_rendering(config: Config, lender: str, system: str | None) -> Rendering:
    """The rendering of a model of one's own, with the text of its template, for another model that shares its tokens.

    Args:
        config: its ``models`` and ``results`` are read.
        lender: id of the model whose template, date and switches are lent.
        system: system prompt; None for whatever the template writes by itself.

    Raises:
        ModelError: the lender has no chat template.
    """
    known, card = config.models[lender], read_card(Path(Layout(config.results).model(lender)))
    return Rendering(
        system=system,
        date=known.date,
        thinking=known.thinking,
        fold_system=known.fold_system,
        chat_template=template_of(load_tokenizer(Path(card["folder"]))),
    )
