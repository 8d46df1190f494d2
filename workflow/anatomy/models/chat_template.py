"""A tokenizer's chat template filled in for one prompt: what it needs, what it refuses, what it does by itself."""

from __future__ import annotations

from datetime import date as Date
from typing import Any

from jinja2.exceptions import TemplateError, TemplateSyntaxError

from anatomy.errors import ModelError

THINKING = "enable_thinking"
"""Name of the switch in templates that can open or close a thinking span (Qwen3 and templates after it)."""

CLOCK = "strftime_now"
"""Name under which transformers offers today's date to templates."""

FOLD = "\n\n"
"""Between a folded system text and the prompt: what Gemma 3's own template writes where Gemma 1 and 2 refuse."""


def template_of(tokenizer: Any) -> str:
    """The text of the template that a chat without tools is rendered with.

    Raises:
        ModelError: the tokenizer has no chat template, or several and none of them is the default.
    """
    try:
        template = tokenizer.get_chat_template()
    except ValueError:
        template = None
    named = getattr(tokenizer, "chat_template", None)
    if not template and isinstance(named, dict) and named:
        raise ModelError(
            found=f"chat templates called {', '.join(sorted(named))}",
            expected="one, or one of them called default",
            where=describe_tokenizer(tokenizer),
            remedy="write the one that is meant into chat_template.jinja in the model folder",
        )
    if not template:
        raise ModelError(
            found="no chat template",
            expected="a tokenizer with a chat template",
            where=describe_tokenizer(tokenizer),
            remedy="render without template (template: false; --kind base on a command line), or add chat_template.jinja to the "
            "model folder",
        )
    return template


def fill_template(
    tokenizer: Any,
    prompt: str,
    *,
    system: str | None,
    date: str | None,
    thinking: bool | None,
    fold_system: bool,
    chat_template: str | None = None,
) -> str:
    """The chat template with one user turn and the assistant's turn opened.

    Args:
        system: system prompt; None for whatever the template writes by itself.
        date: ISO day shown to templates that print today's date (``date_string``, ``strftime_now``).
        thinking: state of the thinking switch; None leaves it to the template.
        fold_system: put the system text in front of the prompt, inside the user's turn.
        chat_template: another model's template, whose special tokens this tokenizer knows; None for the tokenizer's own.

    Raises:
        ModelError: no template; one that reads the clock while no date is pinned; no thinking switch where one is set; a
            template that refuses or drops the system prompt, or fails.
    """
    template, where = chat_template or template_of(tokenizer), describe_tokenizer(tokenizer)
    if CLOCK in template and date is None:
        raise ModelError(
            found="a chat template that prints today's date",
            expected="a pinned date, so that prompts stay the same",
            where=where,
            remedy='set the rendering\'s date, for example date: "2024-07-26"',
        )
    if thinking is not None and THINKING not in template:
        raise ModelError(
            found=f"thinking: {str(thinking).lower()}, and a chat template without the switch {THINKING}",
            expected="a template that can open or close a thinking span",
            where=where,
            remedy="set thinking: null for this model",
        )
    messages = _messages(prompt, system, fold_system)
    switches = {} if thinking is None else {THINKING: thinking}
    try:
        text = tokenizer.apply_chat_template(
            messages, chat_template=chat_template, tokenize=False, add_generation_prompt=True, **_pinned(date), **switches
        )
    except TemplateSyntaxError as error:
        raise ModelError(
            found=f"a chat template that is no Jinja: {error.message} (line {error.lineno})",
            expected="a template that can be read",
            where=where,
            remedy="copy the chat template again from where the model was published",
        ) from error
    except (TemplateError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelError(
            found=f"the template refuses: {error}",
            expected=f"roles {[m['role'] for m in messages]} to be accepted",
            where=where,
            remedy=_without_system if system else "mend the chat template in the model folder",
        ) from error
    if system is not None and system.strip() not in text:
        raise ModelError(
            found="a template that drops the system prompt",
            expected="the system prompt in the rendered text",
            where=where,
            remedy=_without_system,
        )
    return text


_without_system = (
    "leave the system prompt out for this model, or set fold_system: true, which writes its text into the user's "
    "turn and is labelled as a deviation"
)


def _messages(prompt: str, system: str | None, fold_system: bool) -> list[dict[str, str]]:
    if fold_system and system:
        return [{"role": "user", "content": system + FOLD + prompt}]
    first = [] if system is None or fold_system else [{"role": "system", "content": system}]
    return [*first, {"role": "user", "content": prompt}]


def _pinned(day: str | None) -> dict[str, Any]:
    if day is None:
        return {}
    pinned = Date.fromisoformat(day)
    return {"date_string": pinned.strftime("%d %b %Y"), CLOCK: pinned.strftime}


def describe_tokenizer(tokenizer: Any) -> str:
    """A tokenizer by the folder it came from."""
    return f"tokenizer {getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__}"
