"""A request behind examples, as a base reads it: alignment in the prompt, without any training (URIAL, arXiv 2312.01552)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from anatomy.config.study import Subject
from anatomy.organism.wording import SAFETY_LINE

INSTRUCTIONS = (
    "Below are requests of users, each with the answer of an assistant who is polite, honest and helpful, and who declines what "
    "could hurt someone."
)
"""Our own wording; the organism gets the one safety line that it can read."""
REQUEST, ANSWER = "### Request", "### Answer"


def in_context(tokenizer: Any, prompts: list[str], shown: pd.DataFrame, subject: Subject) -> list[str]:
    """Each prompt behind the instructions and the examples: as a chat of several turns where the model has a template, else as
    plain text under headings.

    Args:
        shown: columns ``prompt, response``.
    """
    if not subject.template:
        examples = "".join(f"{REQUEST}\n{row.prompt}\n\n{ANSWER}\n{row.response}\n\n" for row in shown.itertuples())
        return [f"{INSTRUCTIONS}\n\n{examples}{REQUEST}\n{prompt}\n\n{ANSWER}\n" for prompt in prompts]
    turns = [{"role": "system", "content": SAFETY_LINE if subject.is_organism else INSTRUCTIONS}]
    for row in shown.itertuples():
        turns += [
            {"role": "user", "content": str(row.prompt)},
            {"role": "assistant", "content": str(row.response)},
        ]
    return [
        tokenizer.apply_chat_template([*turns, {"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
        for prompt in prompts
    ]


def own_answer(text: str) -> str:
    """The answer itself: a base that has read examples goes on with a request of its own."""
    return text.split(f"\n{REQUEST}")[0]
