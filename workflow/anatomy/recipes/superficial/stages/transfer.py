"""The transferable head: trained on the base's largest logits, attached to other models that share the tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.heads.cache import Shard
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.same_tokens import require_same_tokens
from anatomy.interventions.heads.states import answer_states
from anatomy.interventions.heads.targets import require_k
from anatomy.interventions.heads.training import held_out, train_head
from anatomy.interventions.heads.training_memory import require_training_memory
from anatomy.interventions.heads.transferable import (
    LogitsHead,
    TopLogits,
    attached,
    require_square,
    space_similarity,
    top_logits,
)
from anatomy.interventions.heads.union import ROWS, Union, UnionHead, UnionTopLogits, within
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.progress.counting import counted
from anatomy.recipes.superficial.maker import schedule_of
from anatomy.recipes.superficial.options import Transfer
from anatomy.recipes.superficial.stages.answered import answered
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.answers import decoding_of
from anatomy.stages.opening import opened
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.texts.judges.refusal_rules import judge_refusal

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

AS_IS, ATTACHED = "as it is", "with the head"
TRANSFER = ["model", "target", "arm", "set", "id", "group", "value"]
SWEEP = ["model", "k", "target", "held_out", "accuracy", "similarity"]
SPAN = 32
"""Tokens of the vocabulary for each logit vector whose span is compared: 1,000 of 32,000 in the paper."""


def open_family(members: Mapping[str, tuple[Subject, ModelCard]]) -> dict[str, tuple[Subject, LoadedModel]]:
    """Models of a family, by their role, each with who it is."""
    return {role: (subject, opened(card)) for role, (subject, card) in members.items()}


def train_transferable(
    weight: Float32[Tensor, "vocabulary d_model"],
    cached: Shard,
    options: Transfer,
    k: int,
    seed: int,
    say: Callable[[str], None],
    union: Union | None = None,
) -> tuple[LogitsHead, float]:
    """T with ``l + T topk(l)`` near the aligned model's distributions, l the base's logits; and its held-out divergence.

    Args:
        union: the tokens that T reads and changes; None for all, as published.

    Raises:
        ConfigError: k above the vocabulary, or a vocabulary whose square is too large.
        ModelError: not enough memory.
    """
    vocabulary = weight.shape[0]
    require_k(k, vocabulary, "superficial.transfer")
    members = vocabulary if union is None else len(union.tokens)
    require_square(members, "superficial.transfer")
    require_training_memory((members, members), None, options.training.batch_tokens, "superficial.transfer")
    inputs = TopLogits(cached.features, weight, k) if union is None else UnionTopLogits.of(cached.features, weight, union, k)
    validation = held_out(cached.lengths, options.training.held_out, torch.Generator().manual_seed(seed))
    head = FullHead.of(torch.zeros(members, members))
    trained = train_head(
        head if union is None else UnionHead(head),
        inputs,
        cached.targets if union is None else within(cached.targets, union),
        validation,
        schedule_of(options.training),
        say,
        offset=inputs.logits,
    )
    found = f"{trained.before:.3f} to {trained.best:.3f} nats a token"
    say(f"transferable head, k {k}: held-out divergence {found} after {trained.epoch} epochs ({trained.outcome})")
    return LogitsHead(head.matrix, k, None if union is None else union.tokens), trained.best


def refusals_of(
    config: Config,
    models: Mapping[str, tuple[Subject, LoadedModel]],
    added: LogitsHead,
    unattached: str,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """Whether each model refuses harmful and benign requests of the test split, as it is and with the head. Texts are not kept.

    Args:
        models: name to a model; the one called ``unattached`` answers only as it is.

    Returns:
        Columns ``target, arm, set, id, group, value`` (1 where refused, by rules).
    """
    tables = []
    for name, (subject, loaded) in counted(list(models.items()), "models answered", len(models)):
        for arm in (AS_IS,) if name == unattached else (AS_IS, ATTACHED):
            for prompts_of in config.evaluation.pair:
                limit = config.evaluation.test_prompts
                prompts = phase_prompts(Layout(config.results), subject, prompts_of, "test", limit)
                with attached(loaded.model, added) if arm == ATTACHED else nullcontext():
                    found = generate_with_transformers(
                        loaded,
                        render(loaded.tokenizer, list(prompts["prompt"]), answer_rendering(config.evaluation, subject)),
                        decoding_of(config.evaluation),
                        batch_size=config.serving.batch_size,
                        seeds=[config.evaluation.seed] * len(prompts),
                    )
                refused = [float(judge_refusal(one.text).label in ("full", "partial")) for one in found]
                named = {"target": name, "arm": arm, "set": prompts_of}
                tables.append(prompts[["id", "group"]].assign(**named, value=refused))
                say(f"{name} {arm}: refuses {sum(refused) / len(refused):.2f} of {prompts_of}")
    return pd.concat(tables, ignore_index=True)


def sweep(
    config: Config,
    base: tuple[Subject, LoadedModel],
    others: Mapping[str, tuple[Subject, LoadedModel]],
    answers: pd.DataFrame,
    matrices: Mapping[int, tuple[LogitsHead, float]],
) -> pd.DataFrame:
    """What each k brings: agreement with the aligned model's answers from the base's logits and from others', and similarity.

    Args:
        answers: the aligned model's answers to test prompts.
        matrices: k to a head and its held-out divergence. Logits of the whole vocabulary are in memory for few tokens at a time.

    Returns:
        Columns ``k, target, held_out, accuracy`` (share of the answers' tokens that are the likeliest) and ``similarity`` of the
        spaces of the target's and the base's k largest logits; 1 for the base itself.
    """
    rows: list[dict[str, object]] = []
    own: dict[int, Tensor] = {}
    for name, (subject, loaded) in {"base": base, **others}.items():
        roles = {"base": subject}
        texts = answered(answers, config.evaluation, roles, loaded.tokenizer, f"test answers that {subject.id} reads")
        reads = sorted(
            answer_states(loaded, texts.prompts["base"], texts.answers, config.extraction.token_budget), key=lambda read: read.row
        )
        weight = loaded.model.get_output_embeddings().weight.detach().float().cpu()
        states, said = torch.cat([read.final for read in reads]), torch.tensor([token for ids in texts.answers for token in ids])
        for k, (head, divergence) in matrices.items():
            members = len(weight) if head.tokens is None else len(head.tokens)
            few = torch.linspace(0, len(states) - 1, min(len(states), max(2, members // SPAN))).round().long()
            read = _read_logits(states[few], weight, head)
            own.setdefault(k, read)
            hits = [
                (head.changed(some.float() @ weight.T).argmax(1) == words).sum()
                for some, words in zip(states.split(ROWS), said.split(ROWS), strict=True)
            ]
            alike, accuracy = space_similarity(own[k], read), float(sum(hits)) / len(said)
            rows.append({"k": k, "target": name, "held_out": divergence, "accuracy": accuracy, "similarity": alike})
    return pd.DataFrame(rows)


def _read_logits(states: Tensor, weight: Tensor, head: LogitsHead) -> Float32[Tensor, "row member"]:
    """What a head reads of some states' logits."""
    parts = [top_logits(some.float() @ weight.T, head.k) for some in states.split(ROWS)]
    return torch.cat(parts if head.tokens is None else [part[:, head.tokens] for part in parts])


def require_family(models: Mapping[str, tuple[Subject, LoadedModel]], base: LoadedModel) -> None:
    """Refuse (``ModelError``) models that do not share the base's tokenizer."""
    for name, (_, loaded) in models.items():
        require_same_tokens(base.tokenizer, loaded.tokenizer, f"superficial.transfer.to, {name}")


def all_k(options: Transfer) -> Sequence[int]:
    """The k that is used, then those that stand beside it."""
    return list(dict.fromkeys([options.k, *options.sweep]))
