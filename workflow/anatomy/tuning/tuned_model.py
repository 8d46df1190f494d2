"""A model folder made from another one: its rows, its training, and its weights with the adapter merged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import TypedDict

import pandas as pd
import torch

from anatomy.config.tuning import Tuned
from anatomy.errors import NumericsError
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.rendering import Rendering
from anatomy.organism.training_state import TrainingState
from anatomy.store.digest import digest
from anatomy.store.files import bring_to_disk, explained
from anatomy.store.json_objects import JsonObject
from anatomy.tuning.adapter import attach, factors_of, matrices, recompute_activations
from anatomy.tuning.plain_template import answer_end, plain_template, write_template
from anatomy.tuning.response_loss import mean_loss
from anatomy.tuning.rows import Rows, make_rows, plan_steps
from anatomy.tuning.training import train_adapter

Split = Mapping[str, pd.DataFrame]
"""Prompt tables of one split, by the name of their set."""


class PartTold(TypedDict):
    """One part of the data, as it was trained on.

    Attributes:
        rows, unanswered, left_out: of the split fit: rows, prompts without a response, and prompts whose rows were too long.
        tokens: of it that were trained on, rows counted as often as they were read.
        digest: of its rows, token by token.
        held_out_rows: rows of the split select.
        held_out_before, held_out_after: their mean loss without and with the adapter, nats a token.
    """

    prompts: str
    responses: str
    share: float
    rows: int
    unanswered: int
    left_out: int
    tokens: int
    digest: str
    held_out_rows: int
    held_out_before: float
    held_out_after: float


class TunedCard(TypedDict):
    """What is known of a trained model.

    Attributes:
        from_id, from_digest: the model that it was trained from, and the digest of its weights.
        in_words: what has to stand beside every number of it.
        key: digest of everything that decided it.
        options: of the configuration.
        dtype: number format that the frozen model computed in.
        losses: mean loss of each step's responses, nats a token.
        tokens, learned: of all steps, and how many of them were responses.
        surviving_share: what of the adapter the number format of the weights holds.
        template: chat template that was written into the tokenizer; None where it has its own, or is used without.
    """

    from_id: str
    from_digest: str
    in_words: str
    key: str
    options: JsonObject
    dtype: str
    threads: int
    matrices: int
    parameters: int
    steps: int
    tokens: int
    learned: int
    losses: list[float]
    data: list[PartTold]
    surviving_share: float
    template: str | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Setting:
    """What surrounds a training.

    Attributes:
        source: id of the model that it starts from.
        rendering: how prompts are put.
        dtype: number format of the frozen model.
        threads: of a CPU.
        code: fingerprint of the code that trains; a state that other code left is not gone on from.
        state: folder in which the training is kept while it goes on.
    """

    source: str
    rendering: Rendering
    dtype: str
    threads: int
    code: str
    state: Path


def tune(
    folder: Path,
    target: Path,
    options: Tuned,
    setting: Setting,
    fit: Split,
    held_out: Split,
    *,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = print,
) -> TunedCard:
    """Train a model from the one in ``folder``; ``target`` appears whole or not at all.

    Args:
        fit, held_out: prompt tables to train on, and to measure the loss on before and after.

    Raises:
        ModelError: a folder that cannot be opened, targets that are not there, or a template other than the options say.
        EditError: weights that cannot be edited.
        DataError: as ``make_rows``.
        NumericsError: as ``train_adapter``.
        StoreError: no room.
    """
    loaded = load_model(folder, getattr(torch, setting.dtype), device)
    names = matrices(loaded, options.targets)
    template = plain_template(loaded.tokenizer) if options.chat_template == "plain" else None
    if template is not None:
        loaded.tokenizer.chat_template = template
    rows, outside = (_rows(loaded, options, setting, split) for split in (fit, held_out))
    steps = plan_steps(
        rows.parts,
        [part.share for part in options.data],
        tokens=options.tokens,
        batch_tokens=options.batch_tokens,
        seed=options.seed,
    )
    for part, lacking, long in zip(options.data, rows.unanswered, rows.left_out, strict=True):
        if lacking or long:
            say(f"{part.prompts} ({part.responses}): {lacking} prompts without a response and {long} too long are left out")
    key = training_key(loaded.digest, options, setting, rows)
    say(f"{len(steps)} steps, {sum(len(row.ids) for step in steps for row in step):,} tokens, {len(names)} matrices")
    measured = [part[: options.held_out] for part in outside.parts]
    before = _losses(loaded, loaded.model, measured, options)
    model = attach(loaded, names, rank=options.rank, alpha=options.alpha, seed=options.seed)
    if options.checkpointing:
        recompute_activations(model)
    pad = loaded.pad_token_id
    learned = train_adapter(model, steps, options, pad=pad, state=TrainingState(setting.state, key, say=say), say=say)
    after = _losses(loaded, model, measured, options)
    if not all(map(isfinite, after)):
        raise NumericsError(
            found=f"held-out losses of {after} after the last step",
            expected="finite numbers",
            where=f"the training from {setting.source}",
            remedy="lower tuned.learning_rate, or train in float32",
        )
    for part, first, last in zip(options.data, before, after, strict=True):
        say(f"held-out loss of {part.prompts} ({part.responses}): {first:.3f} before, {last:.3f} after")
    factors = factors_of(model, names)
    surviving = _write(Checkpoint(folder), factors, target, template)
    told = [
        PartTold(
            prompts=part.prompts,
            responses=part.responses,
            share=part.share,
            rows=len(mine),
            unanswered=rows.unanswered[number],
            left_out=rows.left_out[number],
            tokens=_tokens_of(number, rows, steps),
            digest=digest([[row.id, row.ids, row.answer] for row in mine]),
            held_out_rows=len(measured[number]),
            held_out_before=before[number],
            held_out_after=after[number],
        )
        for number, (part, mine) in enumerate(zip(options.data, rows.parts, strict=True))
    ]
    tokens = sum(len(row.ids) for step in steps for row in step)
    return {
        "from_id": setting.source,
        "from_digest": loaded.digest,
        "in_words": f"trained here from {setting.source} by LoRA of rank {options.rank} on {tokens:,} tokens",
        "key": digest(key),
        "options": options.model_dump(mode="json"),
        "dtype": setting.dtype,
        "threads": setting.threads,
        "matrices": len(names),
        "parameters": sum(a.numel() + b.numel() for a, b in factors.values()),
        "steps": len(steps),
        "tokens": tokens,
        "learned": sum(row.answer for step in steps for row in step),
        "losses": learned.losses,
        "data": told,
        "surviving_share": surviving,
        "template": template,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
    }


def training_key(model: str, options: Tuned, setting: Setting, rows: Rows) -> JsonObject:
    """Everything that decides the bits of a training."""
    unimportant = {"keep_every", "held_out", "from"}
    return {
        "model": model,
        "options": {name: value for name, value in options.model_dump(mode="json").items() if name not in unimportant},
        "rendering": setting.rendering.key(),
        "dtype": setting.dtype,
        "threads": setting.threads,
        "code": setting.code,
        "rows": digest([[row.ids, row.answer] for part in rows.parts for row in part]),
    }


def _rows(loaded: LoadedModel, options: Tuned, setting: Setting, split: Split) -> Rows:
    end = answer_end(loaded.tokenizer, setting.rendering, ends_of(loaded))
    return make_rows(
        loaded.tokenizer, setting.rendering, split, options.data, end=end, longest=options.row_tokens, seed=options.seed
    )


def ends_of(loaded: LoadedModel) -> set[int]:
    """Tokens that end a completion; not taken from ``serving``, whose code would count for every training."""
    declared = loaded.model.generation_config.eos_token_id
    return {
        token
        for token in (*(declared if isinstance(declared, list) else [declared]), loaded.tokenizer.eos_token_id)
        if token is not None
    }


def _losses(loaded: LoadedModel, model: object, parts: list, options: Tuned) -> list[float]:
    return [mean_loss(model, part, loaded.pad_token_id, loaded.device, options.micro_tokens) for part in parts]


def _tokens_of(number: int, rows: Rows, steps: list) -> int:
    mine = {id(row) for row in rows.parts[number]}
    return sum(len(row.ids) for step in steps for row in step if id(row) in mine)


def _write(checkpoint: Checkpoint, factors: dict, target: Path, template: str | None) -> float:
    """Merge the adapter in fp32, cast once to the format of each tensor; returns what of it that holds."""
    aside = target.with_name(f".{target.name}.partial")  # what a killed job left there goes first
    with explained(target):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            changed = {name: pair for name, pair in factors.items() if bool(pair[1].any())}
            streamed = stream_checkpoint(checkpoint, low_rank_rewrites(changed), aside)
            if template is not None:
                write_template(template, aside)
            bring_to_disk(aside)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return streamed.surviving_share
