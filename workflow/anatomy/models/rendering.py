"""How a prompt becomes tokens: chat template or none, system prompt, prefill, pinned date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinja2.exceptions import TemplateError

from anatomy.errors import ModelError

PROBES = ("a", "Describe the river 7", "Where is the gate?", "One. Two.", "sing )")
"""Instructions of different lengths and last characters: what their renderings share at the end is template."""


@dataclass(frozen=True)
class Rendering:
    """What surrounds a prompt. Not part of the model: one model may be read under several renderings.

    Attributes:
        template: use the tokenizer's chat template and open the assistant's turn; else the plain text.
        system: system prompt (needs the template).
        prefill: text put at the beginning of the answer.
        date: ISO day shown to templates that print today's date (``date_string``, ``strftime_now``).
    """

    template: bool = True
    system: str | None = None
    prefill: str | None = None
    date: str | None = None


def render(tokenizer: Any, prompts: Sequence[str], rendering: Rendering) -> list[list[int]]:
    """Token ids of each prompt under a rendering; the beginning-of-text token occurs once where the model has one.

    Raises:
        ModelError: no chat template where one is needed, a template that refuses or drops the system prompt or prints
            today's date while none is pinned.
    """
    texts = render_text(tokenizer, prompts, rendering)
    # The template writes its own special tokens; the tokenizer must not add them a second time.
    encoded = tokenizer(texts, add_special_tokens=not rendering.template)["input_ids"] if texts else []
    return [_single_beginning(list(ids), tokenizer.bos_token_id) for ids in encoded]


def render_text(tokenizer: Any, prompts: Sequence[str], rendering: Rendering) -> list[str]:
    """The text of each prompt under a rendering, special tokens of the template included. Raises as ``render``."""
    if rendering.template:
        texts = [_apply_template(tokenizer, prompt, rendering) for prompt in prompts]
    elif rendering.system is not None:
        raise ModelError(
            found="a system prompt without the chat template", expected="template: true", where="rendering",
            remedy="switch the template on, or write the system text into the prompts",
        )  # fmt: skip
    else:
        texts = list(prompts)
    return [text + (rendering.prefill or "") for text in texts]


def template_positions(tokenizer: Any, rendering: Rendering) -> list[int]:
    """Post-instruction positions, counted from the end: ``[-k, ..., -1]`` for the k tokens after every instruction.

    They are the tokens that renderings of different instructions share at their end (Arditi et al. 2024, section 2.2,
    take these positions as candidates). Plain text without a prefill has none; then the last token stands in: ``[-1]``.

    Raises:
        ModelError: as ``render``; or a template that puts nothing after the instruction.
    """
    rendered = render(tokenizer, PROBES, rendering)
    shortest = min(map(len, rendered))
    shared = 0
    while shared < shortest and len({ids[-1 - shared] for ids in rendered}) == 1:
        shared += 1
    if shared == 0 and rendering.template:
        raise ModelError(
            found="no tokens after the instruction", expected="a template that opens the assistant's turn",
            where=_describe(tokenizer), remedy="check the template's add_generation_prompt part",
        )  # fmt: skip
    return list(range(-max(shared, 1), 0))


def _apply_template(tokenizer: Any, prompt: str, rendering: Rendering) -> str:
    template = tokenizer.chat_template
    if not template:
        raise ModelError(
            found="no chat template", expected="a tokenizer with a chat template", where=_describe(tokenizer),
            remedy="render without template (template: false) or add chat_template.jinja to the model folder",
        )  # fmt: skip
    if "strftime_now" in str(template) and rendering.date is None:
        raise ModelError(
            found="a chat template that prints today's date", expected="a pinned date, so that prompts stay the same",
            where=_describe(tokenizer), remedy='set the rendering\'s date, for example date: "2024-07-26"',
        )  # fmt: skip
    system = [] if rendering.system is None else [{"role": "system", "content": rendering.system}]
    messages = [*system, {"role": "user", "content": prompt}]
    try:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **_pinned_date(rendering.date)
        )
    except TemplateError as error:
        raise ModelError(
            found=f"the template refuses: {error}", expected=f"roles {[m['role'] for m in messages]} to be accepted",
            where=_describe(tokenizer), remedy="leave the system prompt out for this model",
        ) from error  # fmt: skip
    if rendering.system is not None and rendering.system.strip() not in text:
        raise ModelError(
            found="a template that drops the system prompt", expected="the system prompt in the rendered text",
            where=_describe(tokenizer), remedy="leave the system prompt out for this model",
        )  # fmt: skip
    return text


def _pinned_date(day: str | None) -> dict[str, Any]:
    if day is None:
        return {}
    pinned = date.fromisoformat(day)
    return {"date_string": pinned.strftime("%d %b %Y"), "strftime_now": pinned.strftime}


def _single_beginning(ids: list[int], beginning: int | None) -> list[int]:
    while beginning is not None and ids[:2] == [beginning, beginning]:
        ids = ids[1:]
    return ids


def _describe(tokenizer: Any) -> str:
    return f"tokenizer {getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__}"
