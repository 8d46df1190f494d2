"""What a rendering does to a prompt, said out loud: what stands around it, and what the template writes unasked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from anatomy.errors import ModelError
from anatomy.models.chat_template import THINKING, describe_tokenizer, template_of
from anatomy.models.rendering import Rendering, render, render_text, template_positions

INSTRUCTION = "INSTRUCTION-STANDS-HERE"
SYSTEM = "SYSTEM-PROMPT-STANDS-HERE"
DAYS = ("2001-02-03", "2019-11-28")
"""Two days whose texts share neither the first letter nor the last, so that what differs is the whole date."""


@dataclass(frozen=True)
class RenderingFacts:
    """A rendering under one tokenizer.

    Attributes:
        before: the text in front of the instruction, special tokens included.
        after: the text behind it, the prefill included.
        positions: post-instruction positions, counted from the end.
        position_tokens: the tokens at these positions.
        beginning: who writes the beginning-of-text token of a prompt, if anyone.
        default_system: system prompt that the template writes because none was given; None where it writes none.
        system_role: whether the template has a place for a system prompt; None without a template.
        thinking: whether the assistant's turn is left open to a thinking span; None where the template has no switch.
        prints_date: whether the text changes with the pinned date.
        own_date: the date that the template prints because none is pinned; None where it prints none.
        notes: one sentence for each thing that is not what its reader may expect.
    """

    before: str
    after: str
    positions: list[int]
    position_tokens: list[str]
    beginning: Literal["template", "tokenizer", "nobody"]
    default_system: str | None
    system_role: bool | None
    thinking: bool | None
    prints_date: bool
    own_date: str | None
    notes: tuple[str, ...]


def describe_rendering(tokenizer: Any, rendering: Rendering) -> RenderingFacts:
    """The facts of a rendering, found by rendering marked texts; no model is needed.

    Raises:
        ModelError: as ``render`` and ``template_positions``; or the prompt is not exactly once in the text.
    """
    before, after = _around(tokenizer, rendering)
    (ids,) = render(tokenizer, [INSTRUCTION], rendering)
    positions = template_positions(tokenizer, rendering)
    role = _has_system_role(tokenizer, rendering) if rendering.template else None
    first, second = (_text(tokenizer, rendering, date=day) if rendering.template else "" for day in DAYS)
    facts = RenderingFacts(
        before=before,
        after=after,
        positions=positions,
        position_tokens=[tokenizer.decode([ids[position]]) for position in positions],
        beginning=_beginning(tokenizer, rendering, ids),
        default_system=_default_system(tokenizer, rendering, before) if role and rendering.system is None else None,
        system_role=role,
        thinking=_thinking(tokenizer, rendering),
        prints_date=first != second,
        own_date=_own_date(_text(tokenizer, rendering), first, second) if rendering.date is None else None,
        notes=(),
    )
    return replace(facts, notes=tuple(_notes(facts, rendering, _tokenizer_adds_beginning(tokenizer))))


def _text(tokenizer: Any, rendering: Rendering, **changes: Any) -> str:
    return render_text(tokenizer, [INSTRUCTION], replace(rendering, **changes))[0]


def _around(tokenizer: Any, rendering: Rendering, **changes: Any) -> tuple[str, str]:
    text = _text(tokenizer, rendering, **changes)
    if text.count(INSTRUCTION) != 1:
        raise ModelError(
            found=f"a prompt {text.count(INSTRUCTION)} times in the rendered text",
            expected="the prompt once, unchanged",
            where=describe_tokenizer(tokenizer),
            remedy="mend the chat template in the model folder",
        )
    before, _, after = text.partition(INSTRUCTION)
    return before, after


def _has_system_role(tokenizer: Any, rendering: Rendering) -> bool:
    try:
        _text(tokenizer, rendering, system=SYSTEM, fold_system=False)
    except ModelError:
        return False
    return True


def _default_system(tokenizer: Any, rendering: Rendering, before: str) -> str | None:
    """What stands where a system prompt of ours would stand, if the template puts anything there."""
    given, _ = _around(tokenizer, rendering, system=SYSTEM, fold_system=False)
    head, _, tail = given.partition(SYSTEM)
    between = len(before) - len(head) - len(tail)
    found = before[len(head) : len(head) + max(between, 0)].strip()
    return found if between > 0 and found and before.startswith(head) and before.endswith(tail) else None


def _own_date(text: str, first: str, second: str) -> str | None:
    """What stands where two texts of different days differ."""
    if first == second:
        return None
    head, tail = _shared(first, second), _shared(first[::-1], second[::-1])
    begins, ends = text[:head] == first[:head], text[len(text) - tail :] == first[len(first) - tail :]
    return text[head : len(text) - tail] if begins and ends and len(text) > head + tail else None


def _shared(one: str, other: str) -> int:
    """Number of letters that two different texts share at the beginning."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)


def _thinking(tokenizer: Any, rendering: Rendering) -> bool | None:
    if not rendering.template or THINKING not in template_of(tokenizer):
        return None
    return _text(tokenizer, rendering) == _text(tokenizer, rendering, thinking=True)


def _tokenizer_adds_beginning(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _beginning(tokenizer: Any, rendering: Rendering, ids: list[int]) -> Literal["template", "tokenizer", "nobody"]:
    if tokenizer.bos_token_id is None or ids[:1] != [tokenizer.bos_token_id]:
        return "nobody"
    return "template" if rendering.template else "tokenizer"


def _notes(facts: RenderingFacts, rendering: Rendering, tokenizer_adds: bool) -> Iterator[str]:
    if facts.default_system:
        yield (
            f"no system prompt is given, and the template writes its own: {facts.default_system!r}; an empty system prompt "
            "would give an empty system turn"
        )
    if rendering.fold_system and rendering.system:
        role = "has a system role that is left unused" if facts.system_role else "has no system role"
        yield f"the system prompt is folded into the user's turn (fold_system: the template {role})"
    if facts.thinking is not None and rendering.thinking is None:
        yield (
            f"the template can switch a thinking span and thinking is null: by its own default it is "
            f"{'on' if facts.thinking else 'off'}"
        )
    if rendering.date is not None and not facts.prints_date:
        yield f"the date {rendering.date} is pinned, but the template prints none"
    if facts.own_date is not None:
        yield f"no date is pinned, and the template prints its own: {facts.own_date}"
    if rendering.template and tokenizer_adds and facts.beginning == "nobody":
        yield "the tokenizer would add a beginning-of-text token that the template does not write: chats go without it"
