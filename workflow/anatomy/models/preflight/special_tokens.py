"""Ids of special tokens in a folder's files against the rows of the embedding: what crashes, and what ends no answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anatomy.errors import AnatomyError, ModelError
from anatomy.models.config_file import json_of, text_config
from anatomy.models.vocabulary import tokens_without_row
from anatomy.store.json_objects import JsonObject

GENERATION = "generation_config.json"
ROLES = ("pad", "bos", "eos")


def special_token_problems(folder: Path, config: JsonObject, tokenizer: Any) -> Iterator[AnatomyError]:
    """What is wrong with the ids that config.json, generation_config.json and the tokenizer give to pad, bos and eos.

    A padding id outside of the embedding is fatal in config.json alone, where transformers builds the matrix with it; elsewhere
    another id takes its place. An end token outside is fatal where no other is inside, for then no answer ever ends.
    """
    rows = _rows(config)
    try:
        files = _files(folder, config)
    except ModelError as problem:
        yield problem
        return
    for file, stated in files.items():
        for role in ROLES:
            if wrong := [one for one in _listed(stated.get(f"{role}_token_id")) if not _is_id(one)]:
                yield ModelError(
                    found=f"{role}_token_id {wrong[0]!r}",
                    expected="a whole number, a list of them, or null",
                    where=str(folder / file),
                    remedy="take the file that the model was published with",
                )
    pad = files["config.json"].get("pad_token_id")
    if rows is not None and isinstance(pad, int) and not -rows <= pad < rows:
        yield ModelError(
            found=f"pad_token_id {pad}, and an embedding of {rows} rows",
            expected=f"an id from 0 to {rows - 1}, or null",
            where=str(folder / "config.json"),
            remedy="set pad_token_id to null: padding is masked wherever there is any",
        )
    ends = _ends(files, tokenizer)
    if rows is not None and ends and not any(_inside(end, rows) for end in ends):
        yield ModelError(
            found=f"end tokens {sorted(ends)}, and an embedding of {rows} rows",
            expected=f"at least one from 0 to {rows - 1}, since no other can be written and no answer would end",
            where=str(folder / GENERATION if GENERATION in files else folder / "config.json"),
            remedy="name the token that ends this model's answers as eos_token_id",
        )


def special_token_notes(folder: Path, config: JsonObject, tokenizer: Any) -> Iterator[str]:
    """Tokens and ids outside of the embedding that stop nothing."""
    rows = _rows(config)
    if rows is None:
        return
    unknown = tokens_without_row(tokenizer, rows)
    if unknown:
        token, number = next(iter(unknown.items()))
        yield (
            f"{len(unknown)} of the tokenizer's tokens without a row in the embedding of {rows}, as {token!r} (id {number}): "
            "a prompt that holds one is refused"
        )
    files = _files(folder, config)
    if _is_id(tokenizer.pad_token_id) and not _inside(tokenizer.pad_token_id, rows):
        yield f"the tokenizer's padding token is one of them (id {tokenizer.pad_token_id}): another id fills up, masked as ever"
    ends = _ends(files, tokenizer)
    if outside := sorted(end for end in ends if not _inside(end, rows)):
        yield f"end tokens {outside} lie outside of the embedding of {rows} rows: answers end with {sorted(ends - set(outside))}"
    if not ends:
        yield "neither the tokenizer nor the configuration names an end token: every answer is as long as it may be"


def _files(folder: Path, config: JsonObject) -> dict[str, JsonObject]:
    """Contents of the files that state ids, by their names.

    Raises:
        ModelError: generation_config.json is no JSON object.
    """
    path = folder / GENERATION
    return {"config.json": text_config(config), **({GENERATION: json_of(path)} if path.is_file() else {})}


def _ends(files: dict[str, JsonObject], tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the tokenizer's, and those of generation_config.json, which config.json stands in for."""
    stated = files.get(GENERATION, files["config.json"])
    return {one for one in [*_listed(stated.get("eos_token_id")), tokenizer.eos_token_id] if _is_id(one)}


def _rows(config: JsonObject) -> int | None:
    found = text_config(config).get("vocab_size")
    return found if _is_id(found) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _inside(token: int, rows: int) -> bool:
    return 0 <= token < rows
