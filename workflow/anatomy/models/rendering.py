"""How a prompt becomes tokens: chat template or none, system prompt, prefill, pinned date, thinking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.chat_template import describe_tokenizer, fill_template
from anatomy.models.vocabulary import require_rows
from anatomy.store.json_objects import JsonObject

PROBES = ("a", "Describe the river 7", "Where is the gate?", "One. Two.", "sing )")
"""Instructions of different lengths and last characters: what their renderings share at the end is template."""


@dataclass(frozen=True)
class Rendering:
    """What surrounds a prompt. Not part of the model: one model may be read under several renderings.

    Attributes:
        template: use the tokenizer's chat template and open the assistant's turn; else the plain text.
        system: system prompt (needs the template). None: we give none, and some templates then write one
            of their own (``anatomy.models.rendering_facts`` says which); an empty text gives an empty system turn.
        prefill: text put at the beginning of the answer.
        date: ISO day shown to templates that print today's date (``date_string``, ``strftime_now``).
        thinking: thinking span on or off, for templates with the switch; None leaves it to the template.
        fold_system: write the system prompt into the user's turn, for templates without a system role. What Gemma 3's
            own template does; for every other model a deviation, and labelled so.
        chat_template: Jinja text of the template; None for the tokenizer's own. A base model without a template can be
            spoken to through its aligned partner's.
    """

    template: bool = True
    system: str | None = None
    prefill: str | None = None
    date: str | None = None
    thinking: bool | None = None
    fold_system: bool = False
    chat_template: str | None = None

    def key(self) -> JsonObject:
        """What a stored row depends on. Options that say nothing are left out, so that a new option leaves old rows valid."""
        always = {"template": self.template, "system": self.system, "prefill": self.prefill, "date": self.date}
        thinking = {} if self.thinking is None else {"thinking": self.thinking}
        folded = {"fold_system": True} if self.fold_system and self.system else {}
        lent = {} if self.chat_template is None else {"chat_template": self.chat_template}
        return {**always, **thinking, **folded, **lent}


def render(tokenizer: Any, prompts: Sequence[str], rendering: Rendering) -> list[list[int]]:
    """Token ids of each prompt under a rendering, with at most one beginning-of-text token.

    Under a chat template the beginning token is there if the template writes it, as transformers and vLLM have it; plain text
    gets it where the tokenizer adds one.

    Raises:
        ModelError: as ``render_text``; or a token that the model has no embedding for (``require_rows``).
    """
    texts = render_text(tokenizer, prompts, rendering)
    # The template writes its own special tokens; the tokenizer must not add them a second time.
    encoded = tokenizer(texts, add_special_tokens=not rendering.template)["input_ids"] if texts else []
    found = [_single_beginning(list(ids), tokenizer.bos_token_id) for ids in encoded]
    require_rows(tokenizer, found, prompts)
    return found


def render_text(tokenizer: Any, prompts: Sequence[str], rendering: Rendering) -> list[str]:
    """The text of each prompt under a rendering, special tokens of the template included.

    Raises:
        ModelError: no chat template where one is needed; a template that refuses or drops the system prompt, prints today's
            date while none is pinned, or has no switch for the thinking that is asked for (``fill_template``).
    """
    if rendering.template:
        texts = [
            fill_template(
                tokenizer,
                prompt,
                system=rendering.system,
                date=rendering.date,
                thinking=rendering.thinking,
                fold_system=rendering.fold_system,
                chat_template=rendering.chat_template,
            )
            for prompt in prompts
        ]
    elif rendering.system is not None or rendering.thinking is not None:
        found = "a system prompt" if rendering.system is not None else "a thinking switch"
        raise ModelError(
            found=f"{found} without the chat template",
            expected="template: true",
            where="rendering",
            remedy="switch the template on, or write the text into the prompts",
        )
    else:
        texts = list(prompts)
    return [text + (rendering.prefill or "") for text in texts]


def template_positions(tokenizer: Any, rendering: Rendering) -> list[int]:
    """Post-instruction positions, counted from the end: ``[-k, ..., -1]`` for the k tokens after every instruction.

    They are the tokens that renderings of different instructions share at their end (Arditi et al. 2024, section 2.2,
    take these positions as candidates). Where the first template token merges with the end of some instructions, as a
    newline after a full stop does, it is not among them. Plain text without a prefill has none; then the last token stands
    in: ``[-1]``.

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
            found="no tokens after the instruction",
            expected="a template that opens the assistant's turn",
            where=describe_tokenizer(tokenizer),
            remedy="check the template's add_generation_prompt part",
        )
    return list(range(-max(shared, 1), 0))


def _single_beginning(ids: list[int], beginning: int | None) -> list[int]:
    while beginning is not None and ids[:2] == [beginning, beginning]:
        ids = ids[1:]
    return ids
