"""A chat template for base models that come without one, and where an answer ends under any template."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.chat_template import describe_tokenizer
from anatomy.models.rendering import Rendering, render_text
from anatomy.store.files import write_aside

FILE = "chat_template.jinja"
"""Where transformers and vLLM read a folder's template."""

PLAIN = (
    "{% for message in messages %}"
    "### {{ {'system': 'Instructions', 'user': 'Request', 'assistant': 'Answer'}[message['role']] }}\n"
    "{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}### Answer\n{% endif %}"
)
"""Headings in plain words, which need no token that a base model was not pretrained with; answers end with its own EOS."""

PROBE = "An answer."


def plain_template(tokenizer: Any) -> str:
    """The plain template for a tokenizer: with BOS in front where the tokenizer puts it in front of plain text.

    Raises:
        ModelError: the tokenizer has a template of its own, or no EOS to end an answer with.
    """
    if tokenizer.chat_template:
        raise ModelError(
            found="a chat template of its own",
            expected="a tokenizer without one, for chat_template: plain",
            where=describe_tokenizer(tokenizer),
            remedy="set tuned.chat_template: own",
        )
    if tokenizer.eos_token is None:
        raise _no_end(tokenizer)
    begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return ("{{ bos_token }}" if begins else "") + PLAIN


def write_template(template: str, folder: Path) -> None:
    """Put a template into a model folder."""
    write_aside(folder / FILE, lambda aside: aside.write_text(template, encoding="utf-8"))


def answer_end(tokenizer: Any, rendering: Rendering, ends: Collection[int]) -> int:
    """The token that ends an answer: the first of ``ends`` that the template writes behind one, or else EOS.

    Args:
        ends: tokens that end a completion: of the tokenizer and of the generation settings.

    Raises:
        ModelError: there is none.
    """
    if rendering.template:
        prompt = render_text(tokenizer, ["A request."], rendering)[0]
        turns = [{"role": "user", "content": "A request."}, {"role": "assistant", "content": PROBE}]
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        behind = whole[whole.rfind(PROBE) + len(PROBE) :] if PROBE in whole else prompt
        for token in tokenizer(behind, add_special_tokens=False)["input_ids"]:
            if token in ends:
                return int(token)
    if tokenizer.eos_token_id is None:
        raise _no_end(tokenizer)
    return int(tokenizer.eos_token_id)


def _no_end(tokenizer: Any) -> ModelError:
    return ModelError(
        found="no EOS token",
        expected="a token that ends an answer",
        where=describe_tokenizer(tokenizer),
        remedy="name eos_token in the model folder's tokenizer_config.json",
    )
