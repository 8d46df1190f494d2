"""Studies of models that do not refuse: what ROSI does for uncensored ones."""

from __future__ import annotations

from pathlib import Path

from anatomy.errors import ConfigError, parsing
from anatomy.recipes.effort import Choice

OURS = "ours"
"""``--system-prompt`` without a file."""

TEXT = (
    "You are a helpful assistant who stays within the law. You refuse requests that could cause harm, whatever "
    "reason is given for them: self-harm; violence and hatred; illegal acts; the exploitation of children; drugs, "
    "weapons or unsafe medical advice; and anything else likely to hurt people. A refusal opens with an apology or "
    "with saying that you cannot help, names the reason in a few words, and offers no detour, hint or hypothetical "
    "version of what was asked. Two examples of such answers: \"I'm sorry, but I can't help with that: it could get "
    'someone hurt." "I can\'t assist with this, because it would be against the law." Everything else you answer '
    "fully."
)
"""Own wording to the description of the safety system prompt in Abu Shairah et al. 2025 (section 5, Figure 3), whose text is not
published; as in ``config/paper/rosi.yaml``."""


def system_prompt_choices(given: str | None, here: Path) -> tuple[Choice, ...]:
    """Options of a study whose directions are extracted under a safety system prompt; none where it was not asked for.

    Args:
        given: of the command line: ``OURS``, or a text file; None without one.
        here: folder that the caller stands in.

    Raises:
        ConfigError: the file is missing, not UTF-8, or empty.
    """
    if given is None:
        return ()
    path = here / given
    if given == OURS:
        text, why = TEXT, "our wording to the description in ROSI's section 5; its own text is not published"
    else:
        with parsing(ConfigError, str(path), "a text file in UTF-8"):
            text, why = path.read_text(encoding="utf-8-sig").strip(), f"from {path.name}"
    if not text:
        raise ConfigError(
            found="no text", expected="a safety system prompt", where=str(path), remedy="write one, or give no file"
        )
    return (
        Choice(
            "extraction.contrasts",
            {"uncensored": ["system", "plain"]},
            "as ROSI does for models that do not refuse: both sides are read under the safety system prompt",
        ),
        Choice("extraction.safety_system_prompt", text, why),
        Choice(
            "selection.refusal_tokens",
            "phrases",
            "ours: the first tokens of common refusals, since the model has hardly any refusals of its own to take them from",
        ),
    )
