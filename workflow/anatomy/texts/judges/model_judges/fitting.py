"""A judge's prompt as tokens, no longer than the judge can read."""

from __future__ import annotations

from typing import Any, NamedTuple

from anatomy.models.vocabulary import require_rows
from anatomy.texts.judges.model_judges.format import JudgeFormat


class Fitted(NamedTuple):
    """A prompt's tokens, None where it cannot be made to fit; how many tokens of the answer were left out; its whole length."""

    token_ids: list[int] | None
    cut: int
    length: int


def fit(form: JudgeFormat, tokenizer: Any, prompt: str, response: str, room: int, cut: bool) -> Fitted:
    """Tokens of a judge's prompt, at most ``room``.

    Args:
        cut: whether the end of an answer that is too long may be left out; the format around it and the request stay whole.
    """
    ids = encode(form, tokenizer, prompt, response)
    length = len(ids)
    if length <= room:
        return Fitted(ids, 0, length)
    own = tokenizer(response, add_special_tokens=False)["input_ids"]
    keep = len(own) - (length - room) if cut else 0
    while keep > 0:
        ids = encode(form, tokenizer, prompt, tokenizer.decode(own[:keep]))
        if len(ids) <= room:
            return Fitted(ids, len(own) - keep, length)
        keep -= len(ids) - room
    return Fitted(None, 0, length)


def encode(form: JudgeFormat, tokenizer: Any, prompt: str, response: str) -> list[int]:
    """Tokens of a judge's prompt; the beginning-of-text token stands there once.

    Raises:
        ModelError: a token that the judge has no embedding for.
    """
    ids = list(tokenizer(form.write(tokenizer, prompt, response), add_special_tokens=form.adds_beginning)["input_ids"])
    while tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
        ids = ids[1:]
    require_rows(tokenizer, [ids], [prompt + response])
    return ids
