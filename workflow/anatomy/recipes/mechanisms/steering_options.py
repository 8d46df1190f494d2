"""Options of steering in the mechanism battery: what is done with a direction, and where."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anatomy.config.section import Section


class Steered(Section):
    """Ways of steering by the picked direction beside adding it before its own block to every test prompt."""

    modes: list[Literal["add", "clamp", "cap"]] = Field(
        ["add", "clamp", "cap"],
        description="add a multiple of the direction, set the projection on it to a value (clamp), or limit it from above (cap); "
        "of values, 0 is harmless requests' mean projection and 1 that of harmful ones",
    )
    layers: list[Literal["picked", "every"]] = Field(
        ["picked", "every"],
        description="before the direction's own block, or before every block (where what is added is split evenly among them). "
        "What claims are about is always asked: capping at 0 before every block",
    )
    prompts: int = Field(24, ge=2, description="most test prompts of each kind")
    answers: int = Field(
        12, ge=2, description="most harmless answers of the unedited model (of prompts of select) whose perplexity is measured"
    )
    answer_tokens: int = Field(32, ge=1, description="most tokens of each of these answers")
    spared: float = Field(
        0.1,
        gt=0,
        description="nats a token by which targeted suppression may change the loss of harmless answers in claims",
    )
