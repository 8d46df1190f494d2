"""Options of ``serving`` that follow from the longest prompt, the model and this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from anatomy.config.methods import Extraction, Serving
from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.errors import AnatomyError, DataError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.formats import resolved
from anatomy.models.machine.memory import Machine
from anatomy.models.memory import available, estimate_memory
from anatomy.models.preflight.architecture import read_architecture
from anatomy.models.preflight.context import BEGINNING, ContextNeed, measure_context
from anatomy.models.size import ModelSize, model_size
from anatomy.models.tokenizer import load_tokenizer
from anatomy.quickstart.study import Study
from anatomy.recipes.configuration import check_config
from anatomy.recipes.effort import Choice
from anatomy.sources.prompts.formats import read_rows
from anatomy.stages.preflight import renderings_of

STEP = 64
"""Context is asked for in multiples of so many tokens, so that a little longer prompt changes nothing."""

ROOM = 0.8
"""Share of free memory that is taken at most: other programs go on, and estimates err."""

SERVED = 4
"""Prompts of the longest kind that the engine's cache should hold at once, where memory allows."""


def with_room(
    study: Study, where: str, folder: Path | None, prompts: Mapping[str, Sequence[str]], machine: Machine, files: Sequence[Path]
) -> Study:
    """A study whose engine, cache and batches have room for its longest prompt; as it is where its model is not here, or is one
    that its examination refuses.

    Args:
        where: the study's file.
        folder: of the model; None where it is not here.
        files: the user's own prompts; none where the study is only counted, so that it may be one that its model has no room for.

    Raises:
        DataError: the model has no room for the longest prompt.
    """
    config = check_config(study.options, where)
    subject = subjects(config)[0]
    if folder is None:
        return study
    try:
        need = longest_prompt(config, subject, folder, prompts)
        choices = serving_choices(need, subject, folder, machine)
    except AnatomyError:  # the examination that follows says this and all else that is wrong, together
        return study
    if files:
        require_model_context(need, files)
    return study.with_choices(choices)


def longest_prompt(config: Config, subject: Subject, folder: Path, prompts: Mapping[str, Sequence[str]]) -> ContextNeed:
    """The longest prompt of a study under any of its renderings, with the answer that the study asks for.

    Raises:
        AnatomyError: configuration, tokenizer or template cannot be used.
    """
    return measure_context(
        load_tokenizer(folder),
        prompts,
        list(renderings_of(config, subject).values()),
        max_new_tokens=config.evaluation.max_new_tokens,
        context=read_architecture(folder).context,
        max_model_len=config.serving.max_model_len,
    )


def require_model_context(need: ContextNeed, files: Sequence[Path]) -> None:
    """Refuse prompts that the model itself has no room for, before an option is looked for that none could mend.

    Args:
        files: the user's own, in which the row is found.

    Raises:
        DataError: the longest prompt and its answer are longer than the model's context.
    """
    if need.context is None or need.needed <= need.context:
        return
    raise DataError(
        found=f"a prompt of {need.longest} tokens ({need.text[:BEGINNING]!r}...) and {need.max_new_tokens} new ones",
        expected=f"together at most {need.context}, the model's context",
        where=place_of(need.text, files),
        remedy="drop or shorten the prompt, take a smaller --effort, whose answers are shorter, or a model with more context",
    )


def place_of(text: str, files: Sequence[Path]) -> str:
    """Where a prompt stands: a file, and the place in it."""
    wanted = text.strip()
    found = (
        f"{file}, {place}"
        for file in files
        for place, row in read_rows(file)
        if any(isinstance(cell, str) and cell.strip() == wanted for cell in row.values())
    )
    return next(found, f"{files[0]}, a row")


def serving_choices(need: ContextNeed, subject: Subject, folder: Path, machine: Machine) -> tuple[Choice, ...]:
    """Context, cache and batches in which the longest prompt has room; none where the defaults do.

    Raises:
        AnatomyError: the model's headers cannot be read.
    """
    size, dtype = model_size(Checkpoint(folder)), resolved(subject.dtype)
    return tuple(_choices(need, size, dtype, machine))


def _choices(need: ContextNeed, size: ModelSize, dtype: str, machine: Machine) -> Iterator[Choice]:
    usual = Serving()
    length = min(max(-(-need.needed // STEP) * STEP, usual.max_model_len), need.context or need.needed + STEP)
    longest = f"the longest prompt has {need.longest} tokens, and its answer {need.max_new_tokens} at most"
    if length != usual.max_model_len:
        yield Choice("serving.max_model_len", length, longest)
    token = estimate_memory(size, "vllm", dtype, length=1, kv_cache_bytes=None).kv_cache
    room = ROOM * available(machine, "vllm") - estimate_memory(size, "vllm", dtype, length=length, kv_cache_bytes=0).total
    if machine.gpu is None and usual.kv_cache_bytes < SERVED * length * token:
        wanted = max(length * token, min(SERVED * length * token, int(room)))
        if wanted > usual.kv_cache_bytes:
            yield Choice(
                "serving.kv_cache_bytes", wanted, f"of the engine on a CPU: one prompt of full length takes {length * token}"
            )
    batch, budget = usual.batch_size, Extraction().token_budget
    free = ROOM * available(machine, "transformers")
    while batch > 1 and _generating(size, dtype, batch, need.needed, budget) > free:
        batch //= 2
    if batch < usual.batch_size:
        yield Choice("serving.batch_size", batch, f"more prompts of {need.longest} tokens would not fit into memory")


def _generating(size: ModelSize, dtype: str, sequences: int, length: int, budget: int) -> int:
    """Bytes of transformers answering a batch, as the preflight counts them."""
    step = max(budget, sequences * length)
    return estimate_memory(size, "transformers", dtype, sequences=sequences, length=length, step_tokens=step).total


def blocks_of(folder: Path | None) -> int | None:
    """Blocks of a model in a folder, from its headers; None where it is not here, or its examination will refuse it."""
    try:
        return None if folder is None else model_size(Checkpoint(folder)).layers
    except AnatomyError:
        return None
