"""Which tokens a model has an embedding for: a row of the matrix for each id, and what a tokenizer knows beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.config_file import json_of, text_config

SHOWN = 60
"""Letters of a prompt that a message quotes."""


def embedding_rows(tokenizer: Any) -> int | None:
    """Rows of the embedding of the model that a tokenizer lies beside; None where no configuration lies there.

    ``vocab_size`` of config.json says it: transformers opens no model whose matrix has another number of rows.
    """
    path = Path(str(getattr(tokenizer, "name_or_path", "") or "")) / "config.json"
    try:
        return _vocab_size(str(path), path.stat().st_mtime_ns)
    except (OSError, ModelError):  # a tokenizer alone; what is wrong with a configuration is said where the model is opened
        return None


@lru_cache(maxsize=64)
def _vocab_size(path: str, changed: int) -> int | None:
    found = text_config(json_of(Path(path))).get("vocab_size")
    return found if isinstance(found, int) and found > 0 else None


def tokens_without_row(tokenizer: Any, rows: int) -> dict[str, int]:
    """Tokens that the tokenizer knows and the embedding does not, by their ids."""
    beyond = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number >= rows)
    return {token: number for number, token in beyond}


def require_rows(tokenizer: Any, token_ids: Sequence[Sequence[int]], texts: Sequence[str]) -> None:
    """Refuse rendered prompts with a token that the model has no embedding for.

    Args:
        texts: the prompts, before a template is put around them.

    Raises:
        ModelError: the first such token, with its id and where it comes from. On a CPU the embedding would raise an IndexError
            without a name; a GPU would have to be started anew.
    """
    rows = embedding_rows(tokenizer)
    if rows is None:
        return
    for place, (ids, text) in enumerate(zip(token_ids, texts, strict=True)):
        if (number := max(ids, default=0)) < rows:
            continue
        token = tokenizer.convert_ids_to_tokens(number)
        written = number in tokenizer(text, add_special_tokens=False)["input_ids"]
        shown = f"prompt {place} ({text[:SHOWN]!r}{' …' if len(text) > SHOWN else ''})"
        of = shown if written else "what the chat template or the tokenizer adds"
        raise ModelError(
            found=f"token {token!r} of id {number} in {of}, and an embedding of {rows} rows",
            expected=f"ids from 0 to {rows - 1}",
            where=f"tokenizer {tokenizer.name_or_path}",
            remedy=("write the prompt without it, or " if written else "")
            + "take the tokenizer that belongs to these weights: it knows tokens that were added after they were trained",
        )


def filler(tokenizer: Any, rows: int) -> int:
    """An id to fill padding with: the tokenizer's, where the embedding has a row for it; masked everywhere, so any id serves."""
    declared = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((token for token in declared if token is not None and 0 <= token < rows), 0)
