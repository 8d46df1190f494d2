"""The unedited model's own answers to training and validation prompts, and the tokens its refusals begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TypedDict, cast

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import ConfigError, StoreError
from anatomy.interventions.directions.refusal_tokens import derive_refusal_tokens, first_tokens, published_words
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.progress.counting import Progress, counted
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.answers import decoding_of
from anatomy.stages.opening import opened_to_measure
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.store.files import read_json
from anatomy.texts.judges.refusal_phrases import SUBSTRINGS
from anatomy.texts.judges.refusal_rules import judge_refusal

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

BATCH = 64


class RefusalTokensRecord(TypedDict):
    """Refusal tokens of a model with where they come from and the counts behind them (JSON; tokens as keys are text)."""

    outcome: Literal["found", "borrowed", "configured", "published", "phrases", "none found"]
    source: str
    words: list[str]
    tokens: list[int]
    common_prefix: list[int]
    refusal_counts: dict[str, int]
    compliance_counts: dict[str, int]
    refusals: int
    compliances: int


def own_answers(
    config: Config, subject: Subject, model: ModelCard, fallback: Path | None, say: Callable[[str], None]
) -> tuple[pd.DataFrame, RefusalTokensRecord]:
    """What the unedited model answers on fit and select, and the tokens that its refusals begin with.

    Args:
        model: the model's card.
        fallback: refusal tokens of an aligned relative, for a model that hardly ever refuses.
    """
    loaded = opened_to_measure(model)
    with Progress("answers", 1.0, whole=True) as progress, progress.part():
        answers = answer(config, subject, loaded)
    tokens = refusal_tokens(config, subject, answers, fallback, loaded)
    if words := advice(subject, tokens):
        say(words)
    say(
        f"{subject.id} refused {tokens['refusals']} of {len(answers)} requests (harmful and harmless); refusal tokens: "
        f"{tokens['outcome']}"
    )
    return answers.drop(columns="token_ids"), tokens


def read_refusal_tokens(path: Path) -> RefusalTokensRecord:
    """Refusal tokens as ``own_answers`` left them.

    Raises:
        StoreError: the file is missing, no JSON, or not what this version writes.
    """
    found = read_json(path)
    if not isinstance(found, dict) or (missing := set(RefusalTokensRecord.__annotations__) - set(found)):
        raise StoreError(
            found=f"no {', '.join(sorted(missing)) if isinstance(found, dict) else 'fields'}",
            expected=", ".join(RefusalTokensRecord.__annotations__),
            where=str(path),
            remedy="remove the file and run again; it will be made anew",
        )
    return cast(RefusalTokensRecord, found)


def answer(config: Config, subject: Subject, loaded: LoadedModel) -> pd.DataFrame:
    """Answers of the unedited model, as completions with one more column, ``token_ids``."""
    at, rendering, decoding = Layout(config.results), answer_rendering(config.evaluation, subject), decoding_of(config.evaluation)
    tables = []
    phases = (("fit", config.extraction.prompts), ("select", config.selection.prompts))
    for phase, limit in counted(phases, "phases answered", sum(limit for _, limit in phases), lambda phase: phase[1]):
        for name in counted((config.extraction.harmful, config.extraction.harmless), "sets answered", 2):
            prompts = phase_prompts(at, subject, name, phase, limit)
            token_ids = render(loaded.tokenizer, list(prompts["prompt"]), rendering)
            longest = max((len(ids) for ids in token_ids), default=1)
            found = generate_with_transformers(
                loaded,
                token_ids,
                decoding,
                batch_size=max(1, min(BATCH, config.extraction.token_budget // longest)),
                seeds=[config.evaluation.seed] * len(prompts),
            )
            tables.append(
                prompts.assign(
                    model=subject.id,
                    variant="base",
                    phase=phase,
                    set=name,
                    sample=0,
                    response=[one.text for one in found],
                    n_tokens=[len(one.token_ids) for one in found],
                    finish_reason=[one.finish_reason for one in found],
                    backend="transformers",
                    dtype=str(loaded.model.dtype).removeprefix("torch."),
                    seed=-1,
                    token_ids=[one.token_ids for one in found],
                )
            )
    return pd.concat(tables, ignore_index=True)


def refusal_tokens(
    config: Config, subject: Subject, answers: pd.DataFrame, fallback: Path | None, loaded: LoadedModel | None = None
) -> RefusalTokensRecord:
    """Refusal tokens of a model: its own, or those of a relative if it hardly ever refuses; or what the configuration says.

    Args:
        fallback: file of the relative's.
        loaded: the model, whose tokenizer published words and phrases go through.

    Returns:
        ``outcome`` (found, borrowed, configured, published, phrases, none found), ``tokens``, ``source`` in words,
        ``common_prefix`` and the counts behind them.

    Raises:
        ConfigError: published words or phrases are asked for without the model.
    """
    wanted = config.selection
    own = derive_refusal_tokens(
        list(answers["token_ids"]),
        [judge_refusal(text).label in ("full", "partial") for text in answers["response"]],
        least_refusal_share=wanted.token_refusal_share,
        most_compliance_share=wanted.token_compliance_share,
    )
    record = cast(RefusalTokensRecord, asdict(own))
    record["source"], record["words"] = "", []
    record["tokens"], record["common_prefix"] = list(own.tokens), list(own.common_prefix)
    record["refusal_counts"] = {str(token): count for token, count in own.refusal_counts.items()}
    record["compliance_counts"] = {str(token): count for token, count in own.compliance_counts.items()}
    configured = wanted.refusal_tokens if subject.refusal_tokens is None else subject.refusal_tokens
    if configured == "published" or configured == "phrases":
        return {**record, "outcome": configured, **_in_words(configured, loaded)}
    if configured != "own":
        return {**record, "outcome": "configured", "tokens": list(configured), "source": "the configuration"}
    record["source"] = "the model's own refusals"
    if own.outcome == "found" and own.refusals >= wanted.min_refusals:
        return record
    relative = read_refusal_tokens(fallback) if fallback else None
    if relative is None or relative["outcome"] == "none found":
        return {**record, "outcome": "none found", "tokens": [], "source": ""}
    return {**record, "outcome": "borrowed", "tokens": relative["tokens"], "source": "the aligned model of its family"}


def advice(subject: Subject, tokens: RefusalTokensRecord) -> str:
    """What to do with a model of one's own in which nothing can be searched; empty for others."""
    if tokens["tokens"] or subject.is_organism:
        return ""
    return (
        f"{subject.id}: {tokens['refusals']} refusals in {tokens['refusals'] + tokens['compliances']} answers are too few to "
        "search for a direction; `quickstart --system-prompt` reads it under a safety system prompt, as ROSI does for models "
        "that do not refuse (selection.refusal_tokens and extraction.contrasts)"
    )


class WordTokens(TypedDict):
    """Tokens that words begin with, the words, and where these are from."""

    tokens: list[int]
    source: str
    words: list[str]


def _in_words(which: Literal["published", "phrases"], loaded: LoadedModel | None) -> WordTokens:
    """Tokens of words, with where the words are from."""
    if loaded is None:
        raise ConfigError(found="no model", expected="one, with its tokenizer", where=f"selection.refusal_tokens: {which}")
    if which == "phrases":
        words: tuple[str, ...] = tuple(text[0].upper() + text[1:] for text in SUBSTRINGS)
        source = f"the first tokens of {len(words)} common refusals (ours)"
    else:
        words = published_words(str(getattr(loaded.model.config, "model_type", "")))
        source = f"Arditi et al. 2024: {', '.join(words)}"
    return {"tokens": list(first_tokens(loaded.tokenizer, words)), "source": source, "words": list(words)}
