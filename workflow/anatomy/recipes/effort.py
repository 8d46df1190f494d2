"""How much a study of one's own model asks for, in three sizes, as plain options with the reason for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from anatomy.store.json_objects import JsonObject

Effort = Literal["look", "standard", "paper"]
"""``look``: minutes, for what a small model does on a laptop; ``paper``: the papers' own numbers; ``standard``: in between, with
everything that a rank among controls needs."""

EFFORTS: tuple[Effort, ...] = get_args(Effort)

LEFT_OUT: Mapping[Effort, str] = {
    "look": "no control directions, no benchmarks, a few layers and strengths, short answers",
    "standard": "every third layer and two strengths of each form; answers end after 64 tokens",
    "paper": "nothing of the papers' search; control directions are ours and stay",
}
"""What each size does without, in one line."""


@dataclass(frozen=True)
class Choice:
    """One option of a study, as its size sets it.

    Attributes:
        option: where it stands, such as ``extraction.prompts``.
        value: what it is set to.
        why: the reason, which becomes a comment in the study's file; empty where the option speaks for itself.
    """

    option: str
    value: Any
    why: str = ""


def put(options: JsonObject, choices: tuple[Choice, ...]) -> dict[str, str]:
    """Write choices into the options of a study, over what stands there.

    Returns:
        Option to comment, for those that have one.
    """
    for choice in choices:
        *sections, name = choice.option.split(".")
        into = options
        for section in sections:
            into = into.setdefault(section, {})
        into[name] = choice.value
    return {choice.option: choice.why for choice in choices if choice.why}
