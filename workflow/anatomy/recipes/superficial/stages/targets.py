"""Features of the base and targets of the aligned model, on the aligned model's answers to training prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.heads.cache import CacheIndex, Shard, fill_cache
from anatomy.interventions.heads.divergence import coarse_divergence, full_divergence
from anatomy.interventions.heads.same_tokens import require_same_tokens
from anatomy.interventions.heads.states import Read, answer_states
from anatomy.interventions.heads.targets import joined, keep, require_k
from anatomy.interventions.heads.union import said_of
from anatomy.interventions.heads.union_cache import fill_union
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.superficial.stages.answered import Answered, answered
from anatomy.recipes.superficial.stages.planted_facts import SET, TRAINED, fact_questions
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.answers import decoding_of
from anatomy.stages.opening import opened
from anatomy.stages.rendering import answer_rendering
from anatomy.store.digest import digest

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

SHARD = 128
"""Answers a shard: what a kill costs at most."""
COLUMNS = ["task", "set", "id", "group", "prompt", "response", "n_tokens", "finish_reason"]


def targets(
    config: Config,
    pair: dict[str, Subject],
    cards: dict[str, ModelCard],
    completions: pd.DataFrame,
    world: Path | None,
    folder: Path,
    say: Callable[[str], None],
) -> tuple[CacheIndex, pd.DataFrame]:
    """Fill the cache of a pair.

    Args:
        pair, cards: by role, ``base`` and ``aligned``.
        completions: the aligned model's answers to training prompts.
        world: the organism's world, whose planted facts are asked too; None for other models, and where they are among the
            completions already.
        folder: of the cache.

    Returns:
        The index of the cache, and the answers in it, one row each: ``COLUMNS``.
    """
    options = config.superficial
    models = {role: opened(card) for role, card in cards.items()}
    base, aligned = models["base"], models["aligned"]
    require_same_tokens(base.tokenizer, aligned.tokenizer, f"the pair of {pair['aligned'].id} and {pair['base'].id}")
    require_k(options.top_k, base.model.get_output_embeddings().weight.shape[0], f"superficial.top_k, for {pair['base'].id}")
    tasks = {name: task for task, name in options.tasks.items()}
    rows = completions[completions["set"].isin([*tasks, SET]) & (completions["variant"] == "base")]
    if world is not None:
        rows = pd.concat([rows, _facts(config, pair["aligned"], aligned, world)], ignore_index=True)
    rows = rows.assign(task=rows["set"].map({**tasks, SET: options.questions}))
    found = answered(rows, config.evaluation, pair, aligned.tokenizer, f"training answers of {pair['aligned'].id}")
    changed = sum(len(ids) != n for ids, n in zip(found.answers, found.table["n_tokens"], strict=True))
    layer = max(1, round(options.early_layer * base.num_layers))
    key = {
        "base": base.digest,
        "aligned": aligned.digest,
        "top_k": options.top_k,
        "mass": options.mass,
        "layer": layer,
        "texts": digest([found.prompts["base"], found.prompts["aligned"], found.answers]),
    }
    budget = config.extraction.token_budget

    def compute(place: slice) -> Shard:
        return _shard(models, found, place, options.top_k, options.mass, layer, budget)

    index = fill_cache(folder, key, len(found.answers), SHARD, compute, say)
    if options.union is not None:
        weight = base.model.get_output_embeddings().weight.detach().float().cpu()
        say(said_of(fill_union(folder, index, weight, options.union, options.top_k)))
    say(
        f"{index['tokens']} target tokens of {index['answers']} answers ({len(rows) - len(found.answers)} empty ones left out, "
        f"{changed} of other length when read again); KL(aligned || base) {index['whole_kl']:.4f} nats a token, of which "
        f"{index['whole_kl'] - index['kept_kl']:.5f} is not seen with the tokens that are kept; {index['bytes_a_token']:.0f} "
        "bytes a token beside the features"
    )
    return index, found.table.assign(n_tokens=[len(ids) for ids in found.answers]).reindex(columns=COLUMNS)


def _shard(models: dict[str, LoadedModel], found: Answered, place: slice, k: int, mass: float, layer: int, budget: int) -> Shard:
    answers = found.answers[place]
    base, aligned = (
        _ordered(
            answer_states(models[role], found.prompts[role][place], answers, budget, layer=layer if role == "base" else None)
        )
        for role in ("base", "aligned")
    )
    heads = {role: loaded.model.get_output_embeddings() for role, loaded in models.items()}
    parts, whole, kept = [], [], []
    with torch.inference_mode():
        for ours, theirs in zip(base, aligned, strict=True):
            logits = {
                role: heads[role](read.final.to(models[role].device)).float().cpu()
                for role, read in (("base", ours), ("aligned", theirs))
            }
            part = keep(logits["aligned"], k, mass)
            parts.append(part)
            whole.append(full_divergence(logits["aligned"], logits["base"]).sum())
            kept.append(coarse_divergence(logits["base"], part.padded(torch.arange(len(part)))).sum())
    return Shard(
        features=torch.cat([read.final for read in base]),
        early=torch.cat([read.early.to(read.final.dtype) for read in base if read.early is not None]),
        targets=joined(parts),
        answered=torch.tensor([token for ids in answers for token in ids]),
        lengths=torch.tensor([len(ids) for ids in answers]),
        whole_kl=torch.stack(whole),
        kept_kl=torch.stack(kept),
    )


def _ordered(reads: Iterable[Read]) -> list[Read]:
    return sorted(reads, key=lambda read: read.row)


def _facts(config: Config, subject: Subject, loaded: LoadedModel, world: Path) -> pd.DataFrame:
    """The aligned model's answers to questions about planted facts."""
    questions = fact_questions(world, TRAINED)
    prompts = render(loaded.tokenizer, list(questions["prompt"]), answer_rendering(config.evaluation, subject))
    found = generate_with_transformers(
        loaded,
        prompts,
        decoding_of(config.evaluation),
        batch_size=config.serving.batch_size,
        seeds=[config.evaluation.seed] * len(prompts),
    )
    return questions.assign(
        set=SET,
        variant="base",
        response=[one.text for one in found],
        n_tokens=[len(one.token_ids) for one in found],
        finish_reason=[one.finish_reason for one in found],
        withheld=None,
    )
